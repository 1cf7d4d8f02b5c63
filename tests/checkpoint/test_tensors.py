"""checkpoint/tensors.py: any safetensors file; the caller says what it expects."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from minilm import CheckpointError
from minilm.checkpoint.tensors import LARGEST_WEIGHT, TensorFile
from minilm.errors import CheckpointWarning

MATRIX = np.arange(6, dtype=np.float32).reshape(2, 3)
SHAPES: dict[str, tuple[int, ...]] = {"layer.weight": (2, 3), "table.weight": (2, 3)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_file({"layer.weight": MATRIX, "table.weight": MATRIX}, tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors"


def test_only_the_named_linear_weights_are_transposed(path: Path) -> None:
    tensors = TensorFile([path], SHAPES, linear=["layer.weight"])
    np.testing.assert_array_equal(tensors["layer.weight"], MATRIX.T)
    np.testing.assert_array_equal(tensors["table.weight"], MATRIX)


def test_the_dtype_is_the_callers(path: Path) -> None:
    assert TensorFile([path], SHAPES, dtype=np.float64)["layer.weight"].dtype == np.float64


def test_only_the_named_tensors_may_not_be_all_zero(path: Path) -> None:
    zeros = np.zeros((2, 3), np.float32)
    save_file({"layer.weight": zeros, "table.weight": zeros}, path)
    tensors = TensorFile([path], SHAPES, nonzero=["layer.weight"])
    np.testing.assert_array_equal(tensors["table.weight"], zeros)
    with pytest.raises(CheckpointError, match=r"is damaged: layer\.weight holds only zeros"):
        tensors["layer.weight"]


def test_the_largest_weight_is_allowed_and_the_next_number_is_not(path: Path) -> None:
    largest = np.float64(LARGEST_WEIGHT)
    for sign in (1, -1):
        save_file({"a": np.array([sign * largest])}, path)
        assert TensorFile([path], {"a": (1,)}, dtype=np.float64)["a"] == [sign * largest]
        save_file({"a": np.array([sign * np.nextafter(largest, np.inf)])}, path)
        with pytest.raises(CheckpointError, match="a weight is finite and at most 1e\\+16 in size"):
            TensorFile([path], {"a": (1,)}, dtype=np.float64)["a"]


def test_names_are_renamed_and_a_name_counts_once(path: Path) -> None:
    def rename(names: Collection[str]) -> dict[str, str]:
        return {name: name.removeprefix("bert.") for name in names}

    save_file({"bert.a": MATRIX, "b": MATRIX}, path)
    assert sorted(TensorFile([path], {"a": (2, 3), "b": (2, 3)}, rename=rename)) == ["a", "b"]
    save_file({"bert.a": MATRIX, "a": MATRIX}, path)
    with pytest.raises(CheckpointError, match=r"has 'a' twice, as 'a' and as 'bert\.a'$"):
        TensorFile([path], {"a": (2, 3)}, rename=rename)


def test_a_tensor_is_unexpected_unless_it_is_ignored(path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"does not fit its config\.json: unexpected: table\.weight"):
        TensorFile([path], {"layer.weight": (2, 3)})
    ignored = re.compile(r"table\..*")
    assert list(TensorFile([path], {"layer.weight": (2, 3)}, ignored=ignored)) == ["layer.weight"]


def test_an_unexpected_tensor_is_named_by_a_warning_where_the_file_is_not_strict(path: Path) -> None:
    with pytest.warns(CheckpointWarning, match=r"tensors \['table\.weight'\] are not part of the model"):
        TensorFile([path], {"layer.weight": (2, 3)}, is_strict=False)


def test_the_parts_of_one_file_are_read_as_one(path: Path) -> None:
    other = path.with_name("b.safetensors")
    save_file({"layer.weight": MATRIX}, path)
    save_file({"table.weight": MATRIX * 2}, other)
    tensors = TensorFile([path, other], SHAPES)
    np.testing.assert_array_equal(tensors["layer.weight"], MATRIX)
    np.testing.assert_array_equal(tensors["table.weight"], MATRIX * 2)


def test_a_pointer_of_git_lfs_is_named(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(CheckpointError, match=r"is a pointer of Git LFS.*git lfs pull"):
        TensorFile([path], SHAPES)
