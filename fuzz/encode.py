"""Read bytes as texts, and give these to every function that takes text.

The first byte says how the others are decoded (UTF-8, UTF-16 or UTF-32, all with lone surrogates) and how
often the text is repeated. A record separator (U+001E) ends a text.
"""

from __future__ import annotations

import itertools
import warnings

import numpy as np
from tokenizers import Tokenizer

from fuzz.checkpoints import cross_encoder, sentence_encoder
from minilm import CrossEncoder, MiniLM, TruncationWarning

CODECS = ("utf-8", "utf-16-le", "utf-32-le")
TIMES = (1, 2, 7, 100)
SEPARATOR = "\x1e"

SEEDS = [
    bytes([CODECS.index(codec) + len(CODECS) * TIMES.index(times)]) + text.encode(codec, "surrogatepass")
    for codec in CODECS
    for times in TIMES
    for text in (
        "a b c",
        "one [SEP] two[MASK]\x1eCaf\xe9 e\u0301\u0323 \u4e2d\u6587, \uac00. \u0130",
        "\0\u202e \u200b\x1e\x1e\ufdfa\U0001f468\u200d\U0001f469",
        "half \ud83d and\udc00",
    )
]

_model = MiniLM(sentence_encoder(), threads=1)
_cross_encoder = CrossEncoder(cross_encoder(), threads=1)
_library = Tokenizer.from_file(str(_model.checkpoint.directory / "tokenizer.json"))
_library.enable_truncation(max_length=_model.max_seq_length)


def one_input(data: bytes) -> None:
    """Raise if the texts that ``data`` encodes break a promise."""
    texts = texts_of(data)
    surrogates = [
        (i, p) for i, text in enumerate(texts) for p, c in enumerate(text) if "\ud800" <= c <= "\udfff"
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        try:
            embeddings = _model.encode(texts)
        except ValueError as error:
            index, position = surrogates[0]
            assert str(error).startswith(f"inputs[{index}] holds the lone surrogate "), error
            assert f" at position {position}, " in str(error), error
            return
        assert not surrogates
        # each of the 16 float32 components is rounded once
        assert np.abs(np.linalg.norm(embeddings.astype(np.float64), axis=1) - 1).max(initial=0) < 3e-7
        assert _model.tokenizer.texts(texts).input_ids == [e.ids for e in _library.encode_batch(texts)]
        pairs = list(itertools.pairwise(texts))[:2]
        scores = _cross_encoder.predict(pairs)
        assert ((scores >= 0) & (scores <= 1)).all()
        for first, second in pairs:
            explanation = _model.explain(first, second)
            assert abs(explanation.contributions.sum() - explanation.score) < 1e-6
            for side, text in ((explanation.a, first), (explanation.b, second)):
                assert all(0 <= token.start <= token.end <= len(text) for token in side.tokens)
                explanation.as_dict()


def texts_of(data: bytes) -> list[str]:
    """The texts that ``data`` encodes; every possible str can occur."""
    which, rest = data[:1], data[1:]
    times, codec = divmod(which[0] if which else 0, len(CODECS))
    if CODECS[codec] == "utf-8":
        text = rest.decode("utf-8", "surrogateescape")
    elif CODECS[codec] == "utf-16-le":
        text = rest[: len(rest) // 2 * 2].decode("utf-16-le", "surrogatepass")
    else:
        points = np.frombuffer(rest[: len(rest) // 4 * 4], "<u4") % 0x110000
        text = "".join(map(chr, points))
    return (text * TIMES[times % len(TIMES)]).split(SEPARATOR)
