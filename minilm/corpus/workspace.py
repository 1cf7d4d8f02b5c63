"""The folder for work in progress: its lock, resuming a job, and replacing an older output."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from minilm._files import atomic_write, rename_durably, write_json
from minilm.corpus.manifest import Report, damage_named, manifest_path, read_manifest
from minilm.corpus.paths import STDIN, absolute
from minilm.corpus.rows import Corpus
from minilm.errors import CorpusError


class JobWorkspace:
    """The folder ``OUTPUT.incomplete/``, where a job keeps its work until the output is complete."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = output.with_name(output.name + ".incomplete")
        self.manifest = self.folder / "manifest.json"  # exists as long as there is something to resume
        self._errors = output.with_name(output.name + ".errors.jsonl")
        self._replacing = self.folder / "overwrite"  # exists if the job replaces an existing output

    @property
    def is_in_progress(self) -> bool:
        """Whether a job was begun and is not finished."""
        return self.manifest.exists()

    def finished_report(self, corpus: Corpus, options: dict[str, Any], *, overwrite: bool) -> Report | None:
        """Return the report of the job if it is finished, None if not; refuse what is not from this job."""
        self._check_inputs(corpus)
        output, manifest = self.output, manifest_path(self.output)
        if overwrite and output.is_dir() and not manifest.exists():
            raise CorpusError(f"{output} is a directory, and not from here: take another name, or remove it")
        if overwrite or not output.exists() or self._is_replacing(options):
            return None
        if not manifest.exists():
            raise CorpusError(f"{output} exists, and not from here: take another name, or --overwrite")
        fields = read_manifest(manifest, options, output)
        if STDIN in corpus.paths:
            reader = corpus.read()
            for _ in reader:
                pass
            self.check_stdin(reader.stdin_sha256, fields.get("stdin_sha256", ""))
        if self.folder.exists():  # left by a crash at the very end, or in use by a process that overwrites
            with suppress(CorpusError), self.locked():
                self.mark_done()
        with damage_named(manifest):
            return Report(**fields["report"])

    def _check_inputs(self, corpus: Corpus) -> None:
        outputs = [path.resolve() for path in (self.output, manifest_path(self.output), self._errors)]
        for path in corpus.paths:
            resolved = Path(absolute(path))
            if path != STDIN and any(resolved.is_relative_to(output) for output in outputs):
                reason = f"{path} is an input, and would be overwritten"
                raise CorpusError(f"{reason}: take another name than {self.output}")

    def _is_replacing(self, options: dict[str, Any]) -> bool:
        """Whether a job with these options has begun to replace the output."""
        if self._replacing.exists() and self.is_in_progress:
            with suppress(CorpusError):
                read_manifest(self.manifest, options, self.output)
                return True
        return False

    def check_stdin(self, sha256: str, recorded: str) -> None:
        """Raise a CorpusError unless the rows that came from standard input are the recorded ones."""
        if sha256 != recorded:
            raise CorpusError(
                f"{self.output} was begun with other rows from stdin. Take another name, or --overwrite"
            )

    @contextmanager
    def locked(self, *, overwrite: bool = False) -> Iterator[Path]:
        """Create the folder and lock it against other processes; with ``overwrite``, empty it first."""
        from filelock import FileLock, Timeout

        self.folder.mkdir(exist_ok=True)
        lock = FileLock(self.folder / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise CorpusError(f"{self.output} is being written by another process") from None
        try:
            if overwrite:
                self._clear()
            yield self.folder
        except (OSError, sqlite3.Error) as error:
            if getattr(error, "filename", None):
                raise
            # A full disk does not tell which file it was.
            reason = getattr(error, "strerror", None) or str(error)
            command = "the same command without --overwrite" if overwrite else "the same command"
            message = f"{self.output}: {reason}; finished rows are kept, and {command} resumes the job"
            raise CorpusError(message) from error
        finally:
            if is_over := not self.is_in_progress:  # finished, or nothing that another run could resume
                shutil.rmtree(self.folder, ignore_errors=True)
            lock.release()
            if is_over:
                with suppress(OSError):  # where an open file cannot be removed, the lock was still in it
                    self.folder.rmdir()

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()
        self._replacing.touch()

    def publish(
        self, result: Path, manifest: dict[str, Any], report: Report, errors: Iterable[bytes]
    ) -> None:
        """Give a complete output its name, beside its manifest and the list of rows without text.

        The order of the steps is such that the next run can finish what a crash between two of them left.
        """
        if self._replacing.exists():
            # Before the new manifest is written: otherwise a crash would leave it beside the old rows.
            if self.output.is_dir():
                shutil.rmtree(self.output)
            self.output.unlink(missing_ok=True)
            manifest_path(self.output).unlink(missing_ok=True)
            self._replacing.unlink()
        if report.errors:
            with atomic_write(self._errors) as file:
                file.writelines(errors)
        else:
            self._errors.unlink(missing_ok=True)
        write_json(manifest_path(self.output), manifest)
        rename_durably(result, self.output)
        self.mark_done()

    def mark_done(self) -> None:
        """Let :meth:`locked` remove the folder: nothing remains to be done in it."""
        self.manifest.unlink(missing_ok=True)
