"""minilm/corpus/formats/npy.py: the file is the one that numpy writes, and what is none is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from minilm import CorpusError
from minilm.corpus.formats.npy import HEADER_BYTES, NpyVectors, NpyWriter
from minilm.corpus.formats.shard import Shard

VECTORS = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_shards_become_the_file_that_numpy_reads(dtype: str, tmp_path: Path) -> None:
    writer = NpyWriter(tmp_path, 3, dtype)
    writer.rewind([])
    size = np.dtype(dtype).itemsize * 3
    marks = [
        writer.write(Shard(n, [""] * len(part), [], part)) for n, part in enumerate(np.split(VECTORS, [4, 6]))
    ]
    assert marks == [HEADER_BYTES + rows * size for rows in (4, 6, 7)]
    np.testing.assert_array_equal(np.load(writer.join(7)), VECTORS.astype(dtype))


def test_a_writer_goes_back_to_any_shard(tmp_path: Path) -> None:
    writer = NpyWriter(tmp_path, 3, "float32")
    writer.rewind([])
    first = writer.write(Shard(0, [""] * 4, [], VECTORS[:4]))
    writer.write(Shard(1, [""] * 3, [], VECTORS[:3]))
    later = NpyWriter(tmp_path, 3, "float32")  # of another process
    later.rewind([first])
    later.write(Shard(1, [""] * 3, [], VECTORS[4:]))
    np.testing.assert_array_equal(np.load(later.join(7)), VECTORS)


def test_vectors_come_in_blocks(tmp_path: Path) -> None:
    np.save(tmp_path / "index.npy", VECTORS)
    blocks = list(NpyVectors()(tmp_path / "index.npy", 1, ""))
    assert len(np.concatenate(blocks)) == len(VECTORS)
    np.testing.assert_array_equal(np.concatenate(blocks), VECTORS)


def test_a_file_stays_mapped_until_it_is_another(tmp_path: Path) -> None:
    path, read = tmp_path / "index.npy", NpyVectors()
    np.save(path, VECTORS)
    [first] = read(path, 9, "")
    [second] = read(path, 9, "")
    assert first.base is second.base
    np.save(tmp_path / "other.npy", VECTORS[::-1])
    (tmp_path / "other.npy").replace(path)
    [third] = read(path, 9, "")
    np.testing.assert_array_equal(third, VECTORS[::-1])


def test_a_file_that_is_cut_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    """To read what is no longer there would end the process by SIGBUS."""
    path = tmp_path / "index.npy"
    np.save(path, np.zeros((5000, 256), np.float32))
    blocks = NpyVectors()(path, 100, "")
    next(blocks)
    os.truncate(path, 4096)
    with pytest.raises(CorpusError, match=r"index\.npy changed while it was read"):
        next(blocks)
    with pytest.raises(ValueError, match=r"mmap length is greater than file ?size"):
        next(NpyVectors()(path, 100, ""))


@pytest.mark.parametrize("array", [np.zeros(3, np.float32), np.zeros((2, 3), np.int64)])
def test_an_array_that_is_not_rows_of_floats_is_refused(array: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "index.npy", array)
    with pytest.raises(CorpusError, match=r"index\.npy holds .* not rows of vectors"):
        next(NpyVectors()(tmp_path / "index.npy", 3, ""))
