"""Change one file of a small checkpoint, then load the checkpoint with MiniLM or CrossEncoder.

The first byte of an input selects the file, the second the kind of change. Four bytes of position follow, and
the rest is the new content.
"""

from __future__ import annotations

import json
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.checkpoints import cross_encoder, sentence_encoder, with_dense
from minilm import CheckpointWarning, CrossEncoder, MiniLM, MiniLMError, TruncationWarning

_ENCODER, _DENSE, _PAIRS = sentence_encoder("changed"), with_dense("dense"), cross_encoder("pairs")
_settings = {"prompts": {"query": "q: "}, "default_prompt_name": "query", "similarity_fn_name": "dot"}
(_ENCODER / "config_sentence_transformers.json").write_text(json.dumps(_settings))
FILES = (
    _ENCODER / "config.json",
    _ENCODER / "modules.json",
    _ENCODER / "1_Pooling" / "config.json",
    _ENCODER / "sentence_bert_config.json",
    _ENCODER / "config_sentence_transformers.json",
    _ENCODER / "tokenizer.json",
    _ENCODER / "model.safetensors",
    _DENSE / "modules.json",
    _DENSE / "2_Dense" / "config.json",
    _DENSE / "2_Dense" / "model.safetensors",
    _PAIRS / "config.json",
    _PAIRS / "tokenizer.json",
    _PAIRS / "model.safetensors",
)
_CONTENT = {path: path.read_bytes() for path in FILES}
_DIRECTORY = {path: next(d for d in (_ENCODER, _DENSE, _PAIRS) if d in path.parents) for path in FILES}

REPLACED, OVERWRITTEN, CUT, FIELD = range(4)
_VALUES = (
    "null",
    "true",
    "-1",
    "0",
    "1e400",
    "NaN",
    "9" * 30,
    '""',
    '"\\ud800"',
    "[]",
    "{}",
    "[[]]",
    "3",
    "0.5",
)

SEEDS = [
    *(bytes([i, REPLACED]) + bytes(4) + content[:2000] for i, content in enumerate(_CONTENT.values())),
    *(bytes([i, CUT]) + struct.pack("<I", len(c) // 2) for i, c in enumerate(_CONTENT.values())),
    *(
        bytes([i, FIELD]) + struct.pack("<I", place) + value.encode()
        for i in range(len(FILES))
        for place in (0, 1, 2, 5, 9, 12, 40)
        for value in _VALUES
    ),
    *(
        bytes([i, OVERWRITTEN]) + struct.pack("<I", place) + b"\xff" * 8
        for i, path in enumerate(FILES)
        if path.suffix == ".safetensors"
        for place in (0, 7, 8, 40, 9000)
    ),
]


def one_input(data: bytes) -> None:
    """Raise if the changed checkpoint neither loads nor is refused with a reason."""
    if len(data) < 6:
        return
    path = FILES[data[0] % len(FILES)]
    [place] = struct.unpack("<I", data[2:6])
    path.write_bytes(changed(_CONTENT[path], data[1], place, data[6:], path))
    try:
        with warnings.catch_warnings():
            for category in (TruncationWarning, CheckpointWarning):  # the second names an unknown setting
                warnings.simplefilter("ignore", category)
            load_and_use(_DIRECTORY[path])
    except MiniLMError as error:
        assert "\n" not in str(error), error
        assert str(error).startswith(str(_DIRECTORY[path])), error
        # the message names the file, but for modules.json it names the missing module
        assert path.name in str(error) or path.name == "modules.json", error
    finally:
        path.write_bytes(_CONTENT[path])


def load_and_use(directory: Path) -> None:
    """Load the model, encode two texts, and check the shape of the result and that it is finite."""
    if directory == _PAIRS:
        reranker = CrossEncoder(directory, threads=1)
        with np.errstate(all="ignore"):  # weights may be anything
            scores = reranker.predict([("a b c", "d"), ("", "e")])
        assert scores.shape == ((2,) if reranker.num_labels == 1 else (2, reranker.num_labels))
        assert np.isfinite(scores).all()
        return
    model = MiniLM(directory, threads=1)
    with np.errstate(all="ignore"):
        embeddings = model.encode(["a b c", "d"])
    assert embeddings.shape == (2, model.embedding_dimension)
    assert np.isfinite(embeddings).all()


def changed(content: bytes, how: int, place: int, replacement: bytes, path: Path) -> bytes:
    """The content of a file after one change."""
    if how % 4 == REPLACED:
        return replacement
    if how % 4 == OVERWRITTEN:
        place %= len(content)
        return content[:place] + replacement + content[place + len(replacement) :]
    if how % 4 == CUT:
        return content[: place % len(content)]
    try:
        value = json.loads(replacement)
    except (ValueError, RecursionError):
        value = replacement.decode("latin-1")
    if path.suffix == ".json":
        return json.dumps(with_field(json.loads(content), place, value)).encode()
    length = struct.unpack("<Q", content[:8])[
        0
    ]  # a safetensors file starts with the length of its JSON header
    head = json.dumps(with_field(json.loads(content[8 : 8 + length]), place, value)).encode()
    return struct.pack("<Q", len(head)) + head + content[8 + length :]


def with_field(document: Any, place: int, value: Any) -> Any:
    """Replace the value at one place of a JSON document; places are counted breadth first."""
    places: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting:
        inner = waiting.pop(0)
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        places += [(inner, key) for key in keys]
        waiting += [inner[key] for key in keys if isinstance(inner[key], (dict, list))]
    inner, key = places[place % len(places)]
    inner[key] = value
    return document
