"""A corpus of any length goes through in windows: neither its texts nor its tokens are ever all in memory."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM
from minilm._arrays import Float32Array, IntArray
from minilm._pipeline import WINDOW_TEXTS, windows
from minilm.corpus.job import encode_corpus
from minilm.corpus.manifest import JobOptions
from minilm.corpus.rows import Corpus as FileCorpus
from minilm.fast import packed
from minilm.fast.parameters import PackedParameters
from tests.checkpoints import TINY, MakeCheckpoint

FEW, MANY = 5_000, 50_000
BYTES_A_ROW = 4 * TINY.hidden_size

# Parts of a window that happen to be alive at the peak or not, and hash tables' steps in growth. The 45,000
# texts, or their token ids, or a view a text would be more than twice this.
SLACK = 1 << 20


def texts(count: int) -> Iterator[str]:
    """Texts that are made as they are asked for, so that nobody holds them but who keeps them."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    for i in range(count):
        yield f"{letters[i % 26]} {letters[i // 26 % 26]} {letters[i // 676 % 26]}"


class Corpus:
    """Texts whose number is known beforehand, made as they are asked for."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[str]:
        return texts(self.count)


@pytest.fixture
def tiny(make_checkpoint: MakeCheckpoint) -> MiniLM:
    # one thread: how much several hold at a time would depend on how they interleave
    return MiniLM(make_checkpoint(), threads=1)


def peak(call: Callable[[], np.ndarray]) -> int:
    """The most bytes that Python and numpy held at a time during the call, beyond what they held before."""
    tracemalloc.start()
    try:
        result = call()
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.nbytes == len(result) * BYTES_A_ROW
    return most


def test_a_generator_is_taken_a_window_at_a_time(tiny: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, encoded = 0, 0
    furthest_ahead: list[int] = []
    encode = packed.encode_pack

    def counted() -> Iterator[str]:
        nonlocal taken
        for text in texts(MANY):
            taken += 1
            yield text

    def watched(
        input_ids: IntArray,
        groups: list[packed.Group],
        parameters: PackedParameters,
        workspace: packed.Workspace,
        *,
        token_type_ids: IntArray | None,
    ) -> Float32Array:
        nonlocal encoded
        furthest_ahead.append(taken - encoded)
        encoded += sum(group.texts for group in groups)
        return encode(input_ids, groups, parameters, workspace, token_type_ids=token_type_ids)

    monkeypatch.setattr(packed, "encode_pack", watched)
    tiny.encode(counted())
    assert taken == encoded == MANY
    assert furthest_ahead[0] == WINDOW_TEXTS
    assert max(furthest_ahead) == WINDOW_TEXTS


def test_memory_grows_by_the_output_alone(tiny: MiniLM) -> None:
    tiny.encode("a")  # what is loaded at the first call belongs to neither
    few = peak(lambda: tiny.encode(Corpus(FEW)))
    many = peak(lambda: tiny.encode(Corpus(MANY)))
    assert many - few <= (MANY - FEW) * BYTES_A_ROW + SLACK


def test_memory_of_a_generator_grows_by_no_more_than_twice_the_output(tiny: MiniLM) -> None:
    tiny.encode("a")
    few = peak(lambda: tiny.encode(texts(FEW)))
    many = peak(lambda: tiny.encode(texts(MANY)))
    # how many there will be nobody knows: the array doubles when it is full
    assert many - few <= 2 * MANY * BYTES_A_ROW + SLACK


def test_a_stream_gives_the_rows_that_a_list_gives(tiny: MiniLM) -> None:
    np.testing.assert_array_equal(tiny.encode(texts(FEW)), tiny.encode(list(texts(FEW))))


@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
def test_a_corpus_in_files_is_never_all_in_memory(suffix: str, tiny: MiniLM, tmp_path: Path) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")

    def encode(count: int) -> int:
        source, output = tmp_path / f"{count}.jsonl", tmp_path / f"out.{suffix}"
        with source.open("w") as file:
            file.writelines(
                f'{{"text": "{text}", "more": "{i:0100}"}}\n' for i, text in enumerate(texts(count))
            )
        keep = suffix != "npy"
        tracemalloc.start()
        try:
            report = encode_corpus(
                tiny, FileCorpus([str(source)], keep=keep), output, JobOptions(overwrite=True)
            )
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert report.rows == count
        return most

    few, many = (FEW, MANY) if suffix != "parquet" else (4 * FEW, MANY)  # a row group is held, 16,384 rows
    encode(few)  # what is imported and built once
    assert encode(many) < encode(few) + SLACK


def test_windows_hold_every_text_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 3)
    monkeypatch.setattr("minilm._pipeline.WINDOW_CHARACTERS", 10)
    given = ["a", "b", "c", "d", "e" * 10, "f", "g" * 4, "h" * 5, "i"]
    assert list(windows(given, len)) == [
        ["a", "b", "c"],  # full by number
        ["d", "e" * 10],  # full by characters
        ["f", "g" * 4, "h" * 5],
        ["i"],
    ]


def test_a_window_is_given_before_the_next_text_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 2)
    taken: Counter[str] = Counter()

    def stream() -> object:
        for _ in range(5):
            taken["texts"] += 1
            yield "text"

    window = windows(stream(), len)  # type: ignore[arg-type]
    next(window)
    assert taken["texts"] == 2
