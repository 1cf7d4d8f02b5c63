"""_pipeline.py: prompts, counts and windows.

A corpus of any length goes through in windows: neither its texts nor its tokens are ever all in memory.
"""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import CrossEncoder, MiniLM
from minilm._arrays import Float32Array, IntArray
from minilm._pipeline import WINDOW_TEXTS, Counts, PairPipeline, windows
from minilm.corpus.job import encode_corpus
from minilm.corpus.manifest import JobOptions
from minilm.corpus.rows import Corpus as FileCorpus
from minilm.fast import packed
from minilm.fast.parameters import PackedParameters
from tests.checkpoints import TINY, MakeCheckpoint, write_cross_encoder
from tests.parity.texts import PLAIN

FEW, MANY = 5_000, 50_000
# Rounding of one text's numbers when others stand beside it: three units in the last place of 0.25, the size
# of the largest components. Measured here: 1.2e-7.
SAME = 3e-7

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


@pytest.mark.usefixtures("without_coverage")
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


def test_the_prompt_is_the_text_itself_or_that_of_the_name_or_the_default(tiny: MiniLM) -> None:
    pipeline = tiny.pipeline
    assert pipeline.prompt_text() == ""
    pipeline.update_prompts({"ask": "a b ", "tell": "c "})
    pipeline.update_prompts(default_prompt_name="ask")
    assert pipeline.prompt_text() == "a b "
    assert pipeline.prompt_text(prompt_name="tell") == "c "
    assert pipeline.prompt_text("d ", "tell") == "d "
    assert pipeline.prompt_text("") == ""  # an empty prompt overrides the default
    with pytest.raises(ValueError, match="prompt_name must be one of query, document, ask, tell, not 'no'"):
        pipeline.prompt_text(prompt_name="no")
    with pytest.raises(ValueError, match=r"prompt holds the lone surrogate '\\ud800' at position 1"):
        pipeline.prompt_text("x\ud800")


@pytest.mark.parametrize(
    ("prompts", "error", "message"),
    [
        (["x"], TypeError, "prompts must map names to texts, not be a list"),
        ({1: "x"}, TypeError, "a prompt's name must be a str, not int"),
        ({"x": float("nan")}, TypeError, r"prompts\['x'\] is missing \(NaN\)"),
        ({"x": b"y"}, TypeError, r"prompts\['x'\] must be a str, not bytes: decode it first"),
        ({"x": "\ud800"}, ValueError, r"prompts\['x'\] holds the lone surrogate"),
        ({"\ud800": "x"}, ValueError, "a prompt's name holds the lone surrogate"),
    ],
)
def test_prompts_that_are_no_texts_are_refused(
    tiny: MiniLM, prompts: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tiny.pipeline.update_prompts(prompts)


def test_counts_are_of_texts_tokens_and_cuts_over_all_windows(
    tiny: MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 2)
    counts = Counts()
    # with [CLS], [SEP] and the prompt's token: 4, 16, 3 and 16 of 17 tokens
    inputs = ["a", "b " * 13, "", "c " * 14]
    windows_of_ids = [window.input_ids for window in tiny.pipeline.tokenize(inputs, counts, "x ")]
    assert [[len(ids) for ids in window] for window in windows_of_ids] == [[4, 16], [3, 16]]
    assert counts == Counts(texts=4, tokens=39, truncated=1)
    assert tiny.pipeline.truncation_message(counts) == (
        "1 of 4 texts were cut at 16 tokens (max_seq_length); the rest of them was not encoded"
    )


@pytest.mark.parametrize("prompt_text", ["", "x "])
@pytest.mark.parametrize("bad", [3, b"x", "\ud800"])
def test_an_input_that_is_no_text_is_named_by_its_index_among_all(
    tiny: MiniLM, monkeypatch: pytest.MonkeyPatch, prompt_text: str, bad: object
) -> None:
    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 2)
    inputs = iter(["a", "b", "c", bad])
    with pytest.raises((TypeError, ValueError), match=r"^inputs\[3\] "):
        list(tiny.pipeline.tokenize(inputs, Counts(), prompt_text))


@pytest.mark.parametrize(
    ("input_ids", "message"),
    [
        ([[2, 3], []], r"input_ids\[1\] has 0 ids; a text has 1 to 24"),
        ([[2] * 25], r"input_ids\[0\] has 25 ids; a text has 1 to 24"),
        ([[2, 40]], r"input_ids\[0\] has an id outside 0 to 39"),
        ([[2], [3, -1]], r"input_ids\[1\] has an id outside 0 to 39"),
    ],
)
def test_token_ids_that_the_model_does_not_have_are_refused(
    tiny: MiniLM, input_ids: list[list[int]], message: str
) -> None:
    for call in (tiny.encode_tokens, tiny.token_embeddings):
        with pytest.raises(ValueError, match=f"^{message}$"):
            call(input_ids)


def test_pairs_are_counted_as_pairs_and_the_prompt_goes_before_the_first_text(
    make_checkpoint: MakeCheckpoint,
) -> None:
    pipeline = CrossEncoder(write_cross_encoder(make_checkpoint)).pipeline
    counts = Counts()
    [window] = pipeline.tokenize([("a", "b"), ("c " * 9, "d " * 9)], counts, "x ")
    # [CLS] x a [SEP] b [SEP]; letters have the ids from 5 on
    assert window.input_ids[0] == [2, 28, 5, 3, 6, 3]
    assert (window.token_type_ids or [])[0] == [0, 0, 0, 0, 1, 1]
    assert counts == Counts(texts=2, tokens=6 + 16, truncated=1)
    assert pipeline.truncation_message(counts).startswith("1 of 2 pairs were cut at 16 tokens")
    pipeline.tokenizer.has_token_types = False
    [window] = pipeline.tokenize([("a", "b")], counts)
    assert window.token_type_ids is None
    assert PairPipeline.characters(("abc", "de")) == 5


def test_long_input_goes_through_in_windows(model: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    together = model.encode(PLAIN)
    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 5)
    np.testing.assert_allclose(model.encode(PLAIN), together, rtol=0, atol=SAME)
    np.testing.assert_allclose(model.encode(iter(PLAIN)), together, rtol=0, atol=SAME)
