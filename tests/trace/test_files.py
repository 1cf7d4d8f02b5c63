"""Traces as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from minilm.errors import MiniLMError
from minilm.trace.files import TraceError, read_trace, readme, write_trace

TENSORS = {
    "input_ids": np.array([[2, 3]]),
    "embeddings.LayerNorm": np.array([[[0.1, 2.0], [1 / 3, -4.0]]]),
    "sentence_embedding": np.array([[0.6, 0.8]]),
}


def with_header(header: dict[str, Any], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def test_a_file_has_the_numbers_and_a_readme_with_names_and_shapes(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    write_trace(path, TENSORS, checkpoint="m", texts=["a"], dtype="float64")
    for name, x in load_file(path).items():
        np.testing.assert_array_equal(x, TENSORS[name])
        assert x.dtype == TENSORS[name].dtype
    metadata = safe_open(path, "numpy").metadata()  # type: ignore[no-untyped-call]
    assert metadata["README"] == readme(TENSORS, "m", "float64")
    assert "embeddings.LayerNorm BxLxE (1, 2, 2): embeddings, after layer norm\n" in metadata["README"]
    assert json.loads(metadata["texts"]) == ["a"]
    assert json.loads(metadata["order"]) == [*TENSORS]
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.safetensors"]


def test_another_family_has_the_names_of_its_own_modules(tmp_path: Path) -> None:
    path, name = tmp_path / "t.safetensors", "encoder.layer.1.attention.self.query"
    tensors = {"input_ids": np.array([[2, 3]]), name: np.ones((1, 2, 4))}
    write_trace(path, tensors, checkpoint="m", texts=["a"], dtype="float64", family="distilbert")
    own = "transformer.layer.1.attention.q_lin"
    assert load_file(path).keys() == {"input_ids", own}
    metadata = safe_open(path, "numpy").metadata()  # type: ignore[no-untyped-call]
    assert f"{own} BxLxE (1, 2, 4): layer 1, queries of all heads\n" in metadata["README"]
    assert "of transformers'\ndistilbert whose output" in metadata["README"]
    assert json.loads(metadata["order"]) == ["input_ids", own]


def test_float32_is_float64_rounded_once(tmp_path: Path) -> None:
    write_trace(tmp_path / "t", TENSORS, checkpoint="m", texts=[], dtype="float32")
    stored = load_file(tmp_path / "t")
    assert stored["embeddings.LayerNorm"].tolist() == TENSORS["embeddings.LayerNorm"].astype("f4").tolist()
    assert stored["input_ids"].dtype == np.int64


def test_every_dtype_is_read_with_its_precision(tmp_path: Path) -> None:
    path, data = tmp_path / "t", b"\x80\x3f\x20\xc0" + np.float16(0.5).tobytes() + np.int32(7).tobytes()
    header = {
        "a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]},  # 1 and -2.5
        "b": {"dtype": "F16", "shape": [1], "data_offsets": [4, 6]},
        "c": {"dtype": "I32", "shape": [1, 1], "data_offsets": [6, 10]},
    }
    path.write_bytes(with_header(header, data))
    found = read_trace(path)
    assert {name: (tensor.values.tolist(), tensor.precision) for name, tensor in found.items()} == {
        "a": ([1.0, -2.5], "bfloat16"), "b": ([0.5], "float16"), "c": ([[7]], "float32")
    }  # fmt: skip


def test_an_unknown_dtype_is_refused_by_name(tmp_path: Path) -> None:
    header = {"x": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}
    (tmp_path / "t").write_bytes(with_header(header, b"\0"))
    with pytest.raises(TraceError, match=r"t: x has the dtype F8_E4M3, not one of BF16, F64, F32"):
        read_trace(tmp_path / "t")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has 0 bytes"),
        (b"no tensors at all here", "its header claims"),
        (b"\x02\0\0\0\0\0\0\0[]", "its header holds a JSON list, not a dict"),
    ],
)
def test_what_is_no_safetensors_file_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(MiniLMError, match=message):
        read_trace(tmp_path / "t")


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    save_file({"x": np.ones(9)}, tmp_path / "t")
    (tmp_path / "t").write_bytes((tmp_path / "t").read_bytes()[:-1])
    with pytest.raises(TraceError, match="t cannot be read as safetensors: "):
        read_trace(tmp_path / "t")
