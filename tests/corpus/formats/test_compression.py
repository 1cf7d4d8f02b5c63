"""minilm/corpus/formats/compression.py: compressed files are read whole, or named."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import sys
import zipfile
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


def write_zip(path: Path, members: dict[str, str]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


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


@pytest.mark.parametrize(("compress", "suffix"), [(bz2.compress, ".bz2"), (lzma.compress, ".xz")])
def test_streams_are_read_to_the_last(compress: Any, suffix: str, tmp_path: Path) -> None:
    """As pbzip2 writes one per block. The standard library ends silently where a later one is damaged."""
    source, first, second = tmp_path / f"in.txt{suffix}", compress(b"a\n"), compress(b"b\n")
    source.write_bytes(first + second + b"\0" * 8)
    assert [row.text for row in Corpus([str(source)])] == ["a", "b"]
    for rest in (b"X" + second[1:], second[:-1]):
        source.write_bytes(first + rest)
        with pytest.raises(CorpusError, match="the compressed data is damaged"):
            list(Corpus([str(source)]))


def test_zstd_windows_are_as_long_as_zstd_writes_them(tmp_path: Path) -> None:
    """Of `zstd --long=31`."""
    module, source = zstd(), tmp_path / "in.txt.zst"
    options = {
        module.CompressionParameter.window_log: 31,
        module.CompressionParameter.enable_long_distance_matching: 1,
    }
    source.write_bytes(module.compress(b"a\n" * 9, options=options) + module.compress(b"b\n"))
    assert [row.text for row in Corpus([str(source)])] == ["a"] * 9 + ["b"]


def test_a_zip_is_its_one_file(tmp_path: Path) -> None:
    source = tmp_path / "in.zip"
    write_zip(source, {"x/a.csv": "text,id\na,1\n", "__MACOSX/x/._a.csv": "?"})
    [row] = Corpus([str(source)])
    assert row.text == "a"
    write_zip(source, {"a.csv": "text\na\n", "b.csv": "text\nb\n"})
    with pytest.raises(CorpusError, match=rf"2 files: a\.csv, b\.csv; .* zip://FILE::{source}"):
        Corpus([str(source)])
    assert [row.text for row in Corpus([f"zip://b.csv::{source}"])] == ["b"]
    assert [row.text for row in Corpus([f"zip://*.csv::{source}"])] == ["a", "b"]
    content = source.read_bytes()
    source.write_bytes(content[:-30])
    with pytest.raises(CorpusError, match=r"in\.zip"):
        Corpus([str(source)])


def test_an_encrypted_zip_is_named(tmp_path: Path) -> None:
    source = tmp_path / "in.zip"
    write_zip(source, {"a.txt": "a\n"})
    content = bytearray(source.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory
    source.write_bytes(content)
    with pytest.raises(CorpusError, match="is encrypted: unpack it with its password first"):
        Corpus([str(source)])


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst", ".zip"])
def test_a_suffix_that_lies_is_named(suffix: str, tmp_path: Path) -> None:
    source = tmp_path / f"in.txt{suffix}"
    for content, reason in ((b"plain text\n", "does not hold"), (b"", "is empty")):
        source.write_bytes(content)
        with pytest.raises(CorpusError, match=rf"{reason}.*though its name ends in \{suffix}"):
            list(Corpus([str(source)]))


@pytest.mark.parametrize("kind", ["txt", "jsonl", "json", "csv", "tsv"])
@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_data_is_never_text(
    kind: str, compress: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = tmp_path / f"in.{kind}"
    source.write_bytes(compress(b"text\na\n"))
    code, line = failure(capsys, source, "-o", tmp_path / "out.npy", "--on-error", "skip")
    assert (code, f"data: name it in.{kind}." in line) == (1, True)


def test_text_may_begin_like_compressed_data(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("BZh and PK begin names\n")
    assert [row.text for row in Corpus([str(tmp_path / "in.txt")])] == ["BZh and PK begin names"]
