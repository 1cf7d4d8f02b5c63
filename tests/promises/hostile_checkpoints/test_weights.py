"""Damage of model.safetensors: truncation, flipped bits, extra bytes, false headers, impossible numbers.

A flipped bit in the data of a plain directory cannot be detected if it leaves a small finite number. Such a
file loads. Only files with known hashes are safe from this: the default model and a Hugging Face cache.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from minilm import CheckpointError, MiniLM
from minilm.checkpoint.tensors import LARGEST_WEIGHT, MAX_HEADER_BYTES
from minilm.cli.main import main
from tests.checkpoints import TINY, MakeCheckpoint, random_tensors
from tests.promises.hostile_checkpoints.refusing import Header, Refusal, join, put, split

# The number of flipped bits to try, half of them in the header.
FLIPS = int(os.environ.get("MINILM_FLIPS", "600"))

WEIGHTS = "model.safetensors"
QUERY = "encoder.layer.0.attention.self.query.weight"
KEY = "encoder.layer.0.attention.self.key.weight"


def interesting_lengths(directory: Path) -> list[int]:
    """Lengths around the end of each part of the file: the length field, the header, every tensor."""
    header, body = split(directory)
    start = len((directory / WEIGHTS).read_bytes()) - len(body)
    ends = [0, 1, 4, 8, 9, 8 + (start - 8) // 2, start]
    ends += [start + entry["data_offsets"][1] for entry in header.values()]
    size = start + len(body)
    return sorted({length + step for length in ends for step in (-1, 0, 1) if 0 <= length + step < size})


def test_no_truncated_file_is_loaded(directory: Path, refusal: Refusal) -> None:
    content = (directory / WEIGHTS).read_bytes()
    lengths = interesting_lengths(directory)
    assert len(lengths) > 100
    for length in lengths:
        assert "cannot be read as safetensors" in refusal(put(directory, content[:length]), WEIGHTS)


@pytest.mark.parametrize("surplus", [b"\0", b"\xff" * 7, bytes(1 << 20)], ids=["1 byte", "7 bytes", "1 MiB"])
def test_no_file_with_more_behind_it_is_loaded(directory: Path, refusal: Refusal, surplus: bytes) -> None:
    content = (directory / WEIGHTS).read_bytes()
    assert "cannot be read as safetensors" in refusal(put(directory, content + surplus), WEIGHTS)


def test_no_flipped_bit_in_the_header_is_loaded(directory: Path) -> None:
    content = (directory / WEIGHTS).read_bytes()
    bits = 8 * (len(content) - len(split(directory)[1]))
    for bit in random.Random(1).sample(range(bits), min(FLIPS // 2, bits)):
        with pytest.raises(CheckpointError) as error:
            MiniLM(put(directory, flip(content, bit)))
        assert WEIGHTS in str(error.value)
        assert str(error.value).isprintable()


def test_a_flipped_bit_in_the_data_is_refused_or_leaves_finite_embeddings(directory: Path) -> None:
    content = (directory / WEIGHTS).read_bytes()
    first = len(content) - len(split(directory)[1])
    outcomes: Counter[str] = Counter()
    for bit in random.Random(2).sample(range(8 * first, 8 * len(content)), FLIPS // 2):
        try:
            embeddings = MiniLM(put(directory, flip(content, bit))).encode(["a b c", ""])
        except CheckpointError:
            outcomes["refused"] += 1
        else:
            outcomes["loaded"] += 1
            assert np.isfinite(embeddings).all()
    # Of the 32 bits of a weight, only the highest of the exponent makes it huge, so 1 of 32 is detected.
    assert 1 / 64 < outcomes["refused"] / (FLIPS // 2) < 1 / 16


def test_the_highest_bit_of_an_exponent_never_flips_unseen(directory: Path, refusal: Refusal) -> None:
    weights = load_file(directory / WEIGHTS)
    for name in (QUERY, "embeddings.word_embeddings.weight", "encoder.layer.1.output.dense.bias"):
        spoilt = {other: weight.copy() for other, weight in weights.items()}
        spoilt[name].view(np.uint32).flat[-1] ^= 1 << 30
        save_file(spoilt, directory / WEIGHTS)
        assert f"is damaged: {name} holds " in refusal(directory, WEIGHTS)


def test_a_low_bit_that_flips_cannot_be_seen(directory: Path) -> None:
    content = (directory / WEIGHTS).read_bytes()
    before = MiniLM(directory).encode("a b c")
    after = MiniLM(put(directory, flip(content, 8 * (len(content) - 2)))).encode("a b c")
    # the lowest bit of the last weight's upper half: another model, and no way to detect it
    assert 0 < np.abs(after - before).max() < 1e-2


def flip(content: bytes, bit: int) -> bytes:
    spoilt = bytearray(content)
    spoilt[bit // 8] ^= 1 << bit % 8
    return bytes(spoilt)


@pytest.mark.parametrize(
    "length",
    [0, 1, 2**31, 2**32, 2**60, 2**63, 2**64 - 1, 100_000_000, MAX_HEADER_BYTES + 1, MAX_HEADER_BYTES],
)
def test_a_header_length_that_lies_is_refused(directory: Path, refusal: Refusal, length: int) -> None:
    header, body = split(directory)
    message = refusal(put(directory, join(header, body, length=length)), WEIGHTS)
    if length > MAX_HEADER_BYTES:
        assert f"its header claims {length} bytes; the limit is {MAX_HEADER_BYTES}" in message
    elif length > 1:
        assert f"it ends within its header of {length} bytes" in message


@pytest.mark.parametrize("step", [-100, -1, 1, 100])
def test_a_header_length_that_is_a_little_wrong_is_refused(
    directory: Path, refusal: Refusal, step: int
) -> None:
    header, body = split(directory)
    length = len(join(header, b"")) - 8 + step
    refusal(put(directory, join(header, body, length=length)), WEIGHTS)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"7",
        b'{"a":',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"{" + b" " * 100_000 + b"}",
        b'{"__metadata__": 5}',
    ],
    ids=range(11),
)
def test_a_header_that_describes_no_tensors_is_refused(
    directory: Path, refusal: Refusal, header: bytes
) -> None:
    refusal(put(directory, join(header, split(directory)[1])), WEIGHTS)
    refusal(put(directory, join(header, b"")), WEIGHTS)


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "F64"},
        {"dtype": "F16"},
        {"dtype": "BF16"},
        {"dtype": "I32"},
        {"dtype": "U32"},
        {"dtype": "BOOL"},
        {"dtype": "F4"},
        {"dtype": "FLOAT"},
        {"dtype": 7},
        {"dtype": None},
        {"shape": [16, 15]},
        {"shape": [256]},
        {"shape": [8, 32]},
        {"shape": [1, 16, 16]},
        {"shape": []},
        {"shape": [0, 16]},
        {"shape": [-16, -16]},
        {"shape": [2**32, 2**32]},
        {"shape": [2**63, 2]},
        {"shape": [2**64, 1]},
        {"shape": [1e308, 1]},
        {"shape": "16"},
        {"data_offsets": [0, 2**62]},
        {"data_offsets": [2**63, 2**64 - 1]},
        {"data_offsets": [1024, 0]},
        {"data_offsets": [-1024, 0]},
        {"data_offsets": [0.0, 1024.0]},
        {"data_offsets": [0]},
        {"data_offsets": []},
        {"data_offsets": None},
    ],
    ids=str,
)
def test_an_entry_that_lies_about_its_tensor_is_refused(
    directory: Path, refusal: Refusal, change: dict[str, object]
) -> None:
    header, body = split(directory)
    header[QUERY].update(change)
    refusal(put(directory, join(header, body)), WEIGHTS)


def overlapping(header: Header, body: bytes) -> bytes:
    header[QUERY]["data_offsets"] = header[KEY]["data_offsets"]
    return join(header, body)


def partly_overlapping(header: Header, body: bytes) -> bytes:
    start, end = header[QUERY]["data_offsets"]
    header[QUERY]["data_offsets"] = [start - 4, end - 4]
    return join(header, body)


def gapped(header: Header, body: bytes) -> bytes:
    last = max(header.values(), key=lambda entry: entry["data_offsets"][1])
    last["data_offsets"] = [offset + 16 for offset in last["data_offsets"]]
    return join(header, body + bytes(16))


def named_twice(header: Header, body: bytes) -> bytes:
    text = json.dumps(header)[:-1]
    return join(f'{text}, "{QUERY}": {json.dumps(header[QUERY])}}}'.encode(), body)


def named_twice_with_other_bytes(header: Header, body: bytes) -> bytes:
    text = json.dumps(header)[:-1]
    return join(f'{text}, "{QUERY}": {json.dumps(header[KEY])}}}'.encode(), body)


def described_twice(header: Header, body: bytes) -> bytes:
    return join(json.dumps(header).replace('"dtype"', '"dtype": "I8", "dtype"', 1).encode(), body)


def with_and_without_bert(header: Header, body: bytes) -> bytes:
    size = 4 * TINY.hidden_size**2
    header[f"bert.{QUERY}"] = header[QUERY] | {"data_offsets": [len(body), len(body) + size]}
    return join(header, body + bytes(size))


def one_renamed(header: Header, body: bytes) -> bytes:
    header["encoder.layer.0.attention.self.qu\nery\x1b[31m.weight" * 1000] = header.pop(QUERY)
    return join(header, body)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (overlapping, "cannot be read as safetensors"),
        (partly_overlapping, "cannot be read as safetensors"),
        (gapped, "cannot be read as safetensors"),
        (named_twice, f"the name {QUERY!r} is repeated"),
        (named_twice_with_other_bytes, f"the name {QUERY!r} is repeated"),
        (described_twice, "the name 'dtype' is repeated"),
        (with_and_without_bert, f"has {QUERY!r} twice, as {QUERY!r} and as 'bert.{QUERY}'"),
        (one_renamed, f"missing: {QUERY}; unexpected: 'encoder.layer.0"),
    ],
)
def test_tensors_that_contradict_one_another_are_refused(
    directory: Path, refusal: Refusal, spoil: Callable[[Header, bytes], bytes], reason: str
) -> None:
    assert reason in refusal(put(directory, spoil(*split(directory))), WEIGHTS)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38, 1.001 * LARGEST_WEIGHT], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_single_number_that_is_no_weight_is_refused(
    directory: Path, refusal: Refusal, value: float, dtype: type
) -> None:
    for name in (QUERY, "embeddings.LayerNorm.bias", "embeddings.word_embeddings.weight"):
        tensors = random_tensors(TINY)
        tensors[name].flat[3] = value
        save_file({other: t.astype(dtype) for other, t in tensors.items()}, directory / WEIGHTS)
        message = refusal(directory, WEIGHTS)
        assert f"is damaged: {name} holds {np.float32(value):.6g}; a weight is finite" in message


def test_a_number_that_float16_cannot_hold_is_refused(directory: Path, refusal: Refusal) -> None:
    tensors = {name: tensor.astype(np.float16) for name, tensor in random_tensors(TINY).items()}
    tensors[QUERY].flat[0] = np.inf  # 70,000 overflows float16
    save_file(tensors, directory / WEIGHTS)
    assert f"{QUERY} holds inf" in refusal(directory, WEIGHTS)


def test_a_double_that_float32_cannot_hold_is_refused(directory: Path, refusal: Refusal) -> None:
    tensors = {name: 1e300 * tensor.astype(np.float64) for name, tensor in random_tensors(TINY).items()}
    save_file(tensors, directory / WEIGHTS)
    assert "holds inf; a weight is finite" in refusal(directory, WEIGHTS)


def test_a_tensor_of_which_nothing_was_written_is_refused(directory: Path, refusal: Refusal) -> None:
    header, body = split(directory)
    assert "holds only zeros" in refusal(put(directory, join(header, bytes(len(body)))), WEIGHTS)
    start, end = header["embeddings.word_embeddings.weight"]["data_offsets"]
    hole = body[:start] + bytes(end - start) + body[end:]
    assert "word_embeddings.weight holds only zeros" in refusal(put(directory, join(header, hole)), WEIGHTS)


def test_a_model_without_token_types_or_biases_may_have_zeros_there(directory: Path) -> None:
    tensors = random_tensors(TINY)
    for name in tensors:
        if name.endswith("bias") or "token_type" in name:
            tensors[name][:] = 0
    save_file(tensors, directory / WEIGHTS)
    assert np.isfinite(MiniLM(directory).encode("a b")).all()


def test_weights_that_are_finite_and_overflow_all_the_same_are_refused_when_a_text_comes(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = random_tensors(TINY)
    for name in tensors:
        if name.endswith(("LayerNorm.weight", "query.weight", "key.weight")):
            tensors[name] *= np.float32(1e14)
    save_file(tensors, directory / WEIGHTS)
    model = MiniLM(directory)
    line = f"{directory / WEIGHTS} is damaged: its weights are finite, but its output is not"
    for call in (
        lambda: model.encode("a b c"),
        lambda: model.encode(["a b c", "d"] * 100, output_value="token_embeddings"),
        lambda: model.explain("a b", "c"),
    ):
        with pytest.raises(CheckpointError) as error:
            call()
        assert str(error.value) == line
    assert main(["compare", "a", "b", "--model", str(directory)]) == 1
    assert capsys.readouterr() == ("", f"minilm: {line}\n")


def test_the_weights_of_another_model_are_refused(make_checkpoint: MakeCheckpoint, refusal: Refusal) -> None:
    directory = make_checkpoint()
    others = {
        "wider": replace(TINY, hidden_size=32),
        "shallower": replace(TINY, num_hidden_layers=1),
        "more words": replace(TINY, vocab_size=41),
        "fewer positions": replace(TINY, max_position_embeddings=23),
        "thicker": replace(TINY, intermediate_size=33),
        "more types": replace(TINY, type_vocab_size=3),
    }
    for name, config in others.items():
        other = make_checkpoint(name, config=config)
        put(directory, (other / WEIGHTS).read_bytes())
        assert "does not fit its config.json" in refusal(directory, WEIGHTS)


def test_a_file_of_another_kind_is_refused(directory: Path, refusal: Refusal) -> None:
    for content in (b"", b"PK\x03\x04" + bytes(100), b"\x80\x04\x95" + bytes(100), b"GGUF" + bytes(100)):
        assert "cannot be read as safetensors" in refusal(put(directory, content), WEIGHTS)
    refusal(put(directory, (directory / "config.json").read_bytes()), WEIGHTS)
    refusal(put(directory, (directory / "tokenizer.json").read_bytes()), WEIGHTS)
