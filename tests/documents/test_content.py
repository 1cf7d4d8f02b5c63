"""The bytes of a document: their hash, and a copy of those that do not fit in memory."""

from __future__ import annotations

import errno
import hashlib
import io
from contextlib import ExitStack
from pathlib import Path

import pytest

from minilm.documents import content as module
from minilm.documents.content import Content, UnreadableNow


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 10)


@pytest.mark.parametrize("size", [0, 9, 10, 11, 95])
@pytest.mark.parametrize("is_lasting", [True, False])
def test_the_content_is_hashed_and_can_be_read_again(size: int, is_lasting: bool, tmp_path: Path) -> None:
    data = bytes(range(size))
    (tmp_path / "a").write_bytes(data)
    with ExitStack() as resources, (tmp_path / "a").open("rb", buffering=0) as file:
        content = Content(file, resources, is_lasting=is_lasting)
        assert content.sha256 == hashlib.sha256(data).hexdigest()
        if not is_lasting:
            file.close()
        assert content.open().read() == content.open().read() == data


def test_a_pipe_that_gives_little_at_a_time_is_copied() -> None:
    class Slow(io.RawIOBase):
        rest = b"0123456789" * 5

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            part, self.rest = self.rest[:3], self.rest[3:]
            buffer[: len(part)] = part
            return len(part)

    with ExitStack() as resources:
        content = Content(Slow(), resources, is_lasting=True)
        assert content.open().read() == b"0123456789" * 5
        assert content.sha256 == hashlib.sha256(b"0123456789" * 5).hexdigest()


def test_a_file_that_changes_after_it_was_hashed_has_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"a" * 50)
    with ExitStack() as resources, path.open("rb", buffering=0) as file:
        content = Content(file, resources, is_lasting=True)
        path.write_bytes(b"b" * 50)
        with pytest.raises(UnreadableNow, match="it changed while it was read"):
            content.open()
        path.write_bytes(b"a" * 50)
        copy = content.open()
        path.write_bytes(b"b" * 50)
        assert copy.read() == b"a" * 50


def test_a_file_that_cannot_be_read_again_says_why() -> None:
    class Broken(io.BytesIO):
        def seek(self, offset: int, whence: int = 0, /) -> int:
            del offset, whence
            raise OSError(errno.EIO, "the disk is gone")

    with ExitStack() as resources:
        content = Content(Broken(b"a" * 50), resources, is_lasting=True)  # type: ignore[arg-type]
        with pytest.raises(UnreadableNow, match="the disk is gone"):
            content.open()
