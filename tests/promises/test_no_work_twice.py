"""Each text is tokenized once and encoded once, and a call enters few files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minilm import CrossEncoder, MiniLM
from tests.checkpoints import MakeCheckpoint, write_cross_encoder
from tests.counting import Work

TEXTS = ["a b", "c", "d e f", "c"]


@pytest.mark.parametrize(
    ("call", "texts"),
    [
        (lambda model: model.encode("a b"), ["a b"]),
        (lambda model: model.encode(TEXTS), TEXTS),
        (lambda model: model.encode(iter(TEXTS), batch_size=1), TEXTS),
        (lambda model: model.encode("a b", output_value="token_embeddings"), ["a b"]),
        (lambda model: model.encode(TEXTS, output_value="token_embeddings"), TEXTS),
        (lambda model: model.encode("a b", output_value=None), ["a b"]),
        (lambda model: model.encode(TEXTS, output_value=None), TEXTS),
        (lambda model: model.encode(TEXTS, precision="int8"), TEXTS),
        (lambda model: model.encode_query(TEXTS), TEXTS),
        (lambda model: model.encode_document(TEXTS), TEXTS),
        (lambda model: model.similarity("a b", TEXTS), ["a b", *TEXTS]),
        (lambda model: model.similarity_pairwise(TEXTS, TEXTS), TEXTS + TEXTS),
        (lambda model: model.explain("a b", "c d"), ["a b", "c d"]),
    ],
)
def test_an_embedder_tokenizes_and_encodes_each_text_once(
    make_checkpoint: MakeCheckpoint,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[[MiniLM], Any],
    texts: list[str],
) -> None:
    model = MiniLM(make_checkpoint())
    expected = model.tokenizer.texts(texts).input_ids
    work = Work(model, monkeypatch)
    call(model)
    assert work.tokenized == texts
    assert work.encoded == expected


@pytest.mark.parametrize(
    ("call", "pairs"),
    [
        (lambda model: model.predict(("a b", "c")), [("a b", "c")]),
        (lambda model: model.predict([("a b", "c"), ("d", "c")]), [("a b", "c"), ("d", "c")]),
        # the query, and any text that several pairs have, is tokenized once
        (lambda model: model.rank("a b", ["c", "d"]), [("a b", "c"), ("a b", "d")]),
        (lambda model: model.rank("a b", ["c", "d"], return_documents=True), [("a b", "c"), ("a b", "d")]),
    ],
)
def test_a_cross_encoder_tokenizes_and_encodes_each_pair_once(
    make_checkpoint: MakeCheckpoint,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[[CrossEncoder], Any],
    pairs: list[tuple[str, str]],
) -> None:
    model = CrossEncoder(write_cross_encoder(make_checkpoint))
    expected = model.tokenizer.pairs(pairs).input_ids
    work = Work(model, monkeypatch)
    call(model)
    assert work.tokenized == list(dict.fromkeys(text for pair in pairs for text in pair))
    assert work.encoded == expected


# Prints the files of minilm in which a function was called. In a new process nothing is cached yet.
ENTERED = """
import cProfile, sys
from pathlib import Path
import minilm
package = Path(minilm.__file__).parent
def entered(call):
    profile = cProfile.Profile()
    result = profile.runcall(call)
    paths = {Path(entry.code.co_filename) for entry in profile.getstats() if not isinstance(entry.code, str)}
    inside = {p.relative_to(package).as_posix() for p in paths if p.is_relative_to(package)}
    print(" ".join(sorted(inside)))
    return result
model = entered(lambda: minilm.MiniLM(sys.argv[1]))
entered(lambda: model.encode("one text"))
"""


def test_loading_and_encoding_enter_few_files(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", ENTERED, make_checkpoint()],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        timeout=300,
    )
    loading, encoding = (set(line.split()) for line in result.stdout.splitlines())
    # A reader who follows a call opens all of these files.
    assert {"model.py", "_loading.py", "checkpoint/weights.py"} <= loading
    assert {"model.py", "_pipeline.py", "tokenizer.py", "fast/packed.py", "heads.py"} <= encoding
    assert len(encoding) <= 12, sorted(encoding)  # of three, one line: the family's positions, cores, buffers
    assert len(loading) <= 18, sorted(loading)  # of five, what a family's names, keys and tokenizer are
