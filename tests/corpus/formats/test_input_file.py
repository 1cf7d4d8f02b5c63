"""minilm/corpus/formats/input_file.py: compressed files and pipes are read like files."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import CorpusError, MiniLM
from minilm.corpus.rows import Corpus
from minilm.errors import MissingExtraError
from tests.corpus.running import (
    TEXTS,
    failure,
    run,
    write_input,
)


def zstd() -> Any:
    """The standard library's module, which older versions of Python have from a package."""
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return pytest.importorskip(name, reason=f"{name} is not installed")


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("kind", ["txt", "jsonl", "csv"])
def test_compressed_files_are_read(kind: str, suffix: str, model: MiniLM, tmp_path: Path) -> None:
    plain, source, output = tmp_path / "in", tmp_path / f"in.{kind}{suffix}", tmp_path / "out.npy"
    write_input(plain, kind)
    if suffix == ".gz":
        source.write_bytes(gzip.compress(plain.read_bytes()))
    else:
        source.write_bytes(zstd().compress(plain.read_bytes()))
    assert run(source, "-o", output) == 0
    np.testing.assert_array_equal(np.load(output), model.encode(TEXTS))
    content = source.read_bytes()
    source.write_bytes(content[: len(content) // 2])
    with pytest.raises(CorpusError, match="the compressed data is damaged"):
        list(Corpus([str(source)]))


def test_a_damaged_gzip_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = tmp_path / "in.txt.gz"
    content = gzip.compress(os.urandom(5000).hex().encode())
    for at in range(10, len(content), 97):  # from behind its header
        source.write_bytes(content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :])
        with pytest.raises(CorpusError, match=r"in\.txt\.gz: the compressed data is damaged"):
            list(Corpus([str(source)]))
    assert failure(capsys, source, "-o", tmp_path / "out.npy")[0] == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes as POSIX has them")
def test_a_pipe_is_read_like_a_file(model: MiniLM, tmp_path: Path) -> None:
    """As the shell's <(...) gives one."""
    pipe, output = tmp_path / "in.txt", tmp_path / "out.npy"
    os.mkfifo(pipe)
    thread = threading.Thread(target=pipe.write_text, args=("\n".join(TEXTS),))
    thread.start()
    assert run(pipe, "-o", output) == 0
    thread.join()
    np.testing.assert_array_equal(np.load(output), model.encode(TEXTS))


@pytest.mark.parametrize(("suffix", "module"), [(".bz2", bz2), (".xz", lzma)])
def test_every_compression_of_fsspec_is_read(suffix: str, module: Any, tmp_path: Path) -> None:
    source = tmp_path / f"in.txt{suffix}"
    content = module.compress("\n".join(TEXTS).encode())
    source.write_bytes(content)
    assert [row.text for row in Corpus([str(source)])] == TEXTS
    for damaged in (content[:-9], content[:20] + b"\xff" * 9 + content[29:]):
        source.write_bytes(damaged)
        with pytest.raises(CorpusError, match=rf"in\.txt\{suffix}: the compressed data is damaged"):
            list(Corpus([str(source)]))


def test_zstd_data_in_several_frames_is_read_whole(tmp_path: Path) -> None:
    """As pzstd and `cat a.zst b.zst` write them."""
    compress, source = zstd().compress, tmp_path / "in.txt.zst"
    source.write_bytes(b"".join(compress(f"{text}\n".encode()) for text in TEXTS))
    assert [row.text for row in Corpus([str(source)])] == TEXTS


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="zstd is part of the standard library")
def test_a_missing_package_for_zstd_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    (tmp_path / "in.txt.zst").write_bytes(b"\x28\xb5\x2f\xfd")
    with pytest.raises(MissingExtraError, match=r'zstd needs backports.zstd, .*"minilm\[parquet\]"'):
        list(Corpus([str(tmp_path / "in.txt.zst")]))


def test_a_full_disk_is_not_called_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.txt.gz").write_bytes(gzip.compress(b"a"))

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(gzip.GzipFile, "read", fail)
    with pytest.raises(OSError, match="Input/output error"):
        list(Corpus([str(tmp_path / "in.txt.gz")]))
