"""checkpoint/weights.py: the right numbers in the right places, and errors that name each fault."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from minilm import CheckpointError, MiniLM
from minilm.checkpoint.weights import ParameterFile, count_parameters, expected_shapes, load_parameters
from tests.checkpoints import TINY, random_tensors

QUERY = "encoder.layer.0.attention.self.query.weight"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def as_bfloat16(tensor: np.ndarray) -> bytes:
    """The upper halves of float32 numbers: a bfloat16, rounded towards zero."""
    return (tensor.view(np.uint32) >> 16).astype("<u2").tobytes()


def test_linear_weights_are_transposed_and_the_rest_is_as_in_the_file(path: Path) -> None:
    tensors = random_tensors(TINY)
    save_file(tensors, path)
    parameters = load_parameters(path, TINY)
    assert parameters.keys() == tensors.keys()
    for name, tensor in tensors.items():
        is_linear = tensor.ndim == 2 and not name.startswith("embeddings.")
        np.testing.assert_array_equal(parameters[name], tensor.T if is_linear else tensor)
        assert parameters[name].dtype == np.float32


def test_a_parameter_file_reads_what_is_asked_for_and_keeps_nothing(path: Path) -> None:
    tensors = random_tensors(TINY)
    save_file(tensors, path)
    file = ParameterFile(path, TINY)
    assert list(file) == list(tensors)
    assert len(file) == len(tensors)
    np.testing.assert_array_equal(file[QUERY], tensors[QUERY].T)
    assert file[QUERY] is not file[QUERY]
    with pytest.raises(KeyError):
        file["pooler.dense.weight"]


def test_the_default_model_has_as_many_numbers_as_it_should(model: MiniLM) -> None:
    # 22,713,216 in the file, minus the pooler over [CLS] (384 * 384 + 384), which embeddings do not use
    assert count_parameters(model.config) == 22_713_216 - 384 * 385


def test_float16_is_read_exactly(path: Path) -> None:
    halves = {name: tensor.astype(np.float16) for name, tensor in random_tensors(TINY).items()}
    save_file(halves, path)
    parameters = load_parameters(path, TINY)
    np.testing.assert_array_equal(parameters[QUERY], halves[QUERY].T.astype(np.float32))
    assert parameters[QUERY].dtype == np.float32


def test_bfloat16_is_read_exactly(path: Path) -> None:
    tensors = random_tensors(TINY)
    # numpy has no bfloat16, so the test builds the file itself: length, header, data
    header, body = {}, b""
    for name, tensor in tensors.items():
        start, body = len(body), body + as_bfloat16(tensor)
        header[name] = {"dtype": "BF16", "shape": tensor.shape, "data_offsets": [start, len(body)]}
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + body)
    parameters = load_parameters(path, TINY)
    assert parameters.keys() == tensors.keys()
    for name, tensor in tensors.items():
        upper_half = (tensor.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
        is_linear = tensor.ndim == 2 and not name.startswith("embeddings.")
        np.testing.assert_array_equal(parameters[name], upper_half.T if is_linear else upper_half)


def test_float64_parameters_hold_the_same_numbers(path: Path) -> None:
    tensors = random_tensors(TINY)
    save_file(tensors, path)
    parameters = load_parameters(path, TINY, dtype=np.float64)
    assert {parameter.dtype for parameter in parameters.values()} == {np.dtype(np.float64)}
    np.testing.assert_array_equal(parameters[QUERY], tensors[QUERY].T)


def test_the_unused_tensors_of_real_checkpoints_are_passed_over(path: Path) -> None:
    tensors = random_tensors(TINY)
    unused: dict[str, np.ndarray] = {
        "embeddings.position_ids": np.arange(TINY.max_position_embeddings)[None],
        "pooler.dense.weight": np.zeros((16, 16), np.float32),
        "pooler.dense.bias": np.zeros(16, np.float32),
    }
    save_file({**tensors, **unused}, path)
    assert load_parameters(path, TINY).keys() == tensors.keys()


def test_missing_unexpected_and_wrongly_shaped_tensors_are_all_named(path: Path) -> None:
    tensors = random_tensors(TINY)
    del tensors["embeddings.LayerNorm.bias"]
    tensors["encoder.layer.7.output.dense.bias"] = np.zeros(16, np.float32)
    tensors[QUERY] = np.zeros((16, 8), np.float32)
    save_file(tensors, path)
    with pytest.raises(CheckpointError) as error:
        load_parameters(path, TINY)
    for part in (
        str(path),
        "missing: embeddings.LayerNorm.bias",
        "unexpected: encoder.layer.7.output.dense.bias",
        f"{QUERY} has shape (16, 8), config.json says (16, 16)",
    ):
        assert part in str(error.value)


def test_integer_weights_are_refused(path: Path) -> None:
    tensors = random_tensors(TINY)
    tensors[QUERY] = np.zeros((16, 16), np.int8)
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match=f"{QUERY} has dtype I8"):
        load_parameters(path, TINY)


def test_many_faults_are_counted_not_poured_out(path: Path) -> None:
    save_file({"nothing": np.zeros(1, np.float32)}, path)
    with pytest.raises(CheckpointError) as error:
        load_parameters(path, TINY)
    assert f"and {len(expected_shapes(TINY)) + 1 - 8} more" in str(error.value)


class Bomb:
    """Fails the test if anything unpickles it."""

    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("a checkpoint was unpickled",))


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00" * 7, b"\xff" * 64, b"\x08\x00\x00\x00\x00\x00\x00\x00{      }x", pickle.dumps(Bomb())],
    ids=["empty", "short", "a header length that lies", "no tensors and a stray byte", "a pickle"],
)
def test_a_file_that_is_not_safetensors_is_named(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_parameters(path, TINY)


def test_a_truncated_file_is_named(path: Path) -> None:
    save_file(random_tensors(TINY), path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        load_parameters(path, TINY)
