"""The folder for work in progress: its lock, resuming a job, and replacing an older output."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from minilm._files import atomic_write, rename_durably, write_json
from minilm.corpus.identity import InputRecord, are_untouched
from minilm.corpus.manifest import (
    Report,
    damage_named,
    is_list_of_errors,
    is_manifest,
    manifest_path,
    read_manifest,
)
from minilm.corpus.paths import STDIN, is_within
from minilm.corpus.rows import Corpus
from minilm.errors import CorpusError


class JobWorkspace:
    """The folder ``OUTPUT.incomplete/``, where a job keeps its work until the output is complete.

    Raises
    ------
    CorpusError
        If the name of the output is so long that the names of the files beside it would be too long.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = output.with_name(output.name + ".incomplete")
        self.manifest = self.folder / "manifest.json"  # exists as long as there is something to resume
        self._errors = output.with_name(output.name + ".errors.jsonl")
        self._replacing = self.folder / "overwrite"  # exists if the job replaces an existing output
        for path in (*self.files, self.folder / ("x" * 80)):  # no path in the folder is longer
            _check_length(path, output)

    @property
    def is_in_progress(self) -> bool:
        """Whether a job was begun and is not finished."""
        return self.manifest.exists()

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file and folder that a job has beside the output, and the output itself."""
        files = (manifest_path(self.output), self._errors)
        return (self.output, self.folder, *files, *(path.with_name(path.name + ".tmp") for path in files))

    @property
    def own_files(self) -> tuple[Path, ...]:
        """The same if they are from a job; none if they only have such names."""
        is_ours = (self.folder / "lock").exists() or is_manifest(manifest_path(self.output))
        return self.files if is_ours or self.is_in_progress else ()

    def check_output(self, inputs: Iterable[str], *, overwrite: bool) -> None:
        """Raise a CorpusError if the output would replace what is not its own, or cannot be written."""
        places = [path.resolve() for path in self.files]
        for source in inputs:
            if source != STDIN and is_within(source, places):
                reason = f"{source} is an input, and would be overwritten"
                raise CorpusError(f"{reason}: take another name than {self.output}")
        output = self.output
        if overwrite and output.is_dir() and not manifest_path(output).exists():
            raise CorpusError(f"{output} is a directory, and not from here: take another name, or remove it")
        for path in self._strange_neighbours():
            reason = f"{path} exists, and not from here, and the job needs its name"
            raise CorpusError(f"{reason}: take another name than {output}, or move it away")
        if not overwrite and not self._replacing.exists():
            self._check_origin()
        if overwrite or not output.exists():
            _check_folder(output.parent)

    def _strange_neighbours(self) -> Iterator[Path]:
        """Yield what is beside the output and only has the name of a file or folder of a job."""
        if self.folder.exists() and not self._is_folder_ours():
            yield self.folder
        if self.output.exists():  # the files belong to it
            return
        for path, is_ours in ((manifest_path(self.output), is_manifest), (self._errors, is_list_of_errors)):
            if path.exists() and not is_ours(path):
                yield path

    def _is_folder_ours(self) -> bool:
        if not self.folder.is_dir():
            return False
        names = {path.name for path in self.folder.iterdir()}
        return not names or not names.isdisjoint(("lock", self.manifest.name))

    def _check_origin(self) -> None:
        if self.output.exists() and not manifest_path(self.output).exists():
            raise CorpusError(f"{self.output} exists, and not from here: take another name, or --overwrite")

    def finished_report(
        self,
        corpus: Corpus,
        options: dict[str, Any],
        *,
        overwrite: bool,
        compare_rows: Callable[[dict[str, Any]], None],
    ) -> Report | None:
        """Return the report of the job if it is finished, None if not; refuse what is not from this job.

        ``compare_rows`` is called with the fields of the manifest if a file was moved or written to. It reads
        the rows again, and raises a CorpusError unless they are those of the job.
        """
        self.check_output(corpus.paths, overwrite=overwrite)
        output, manifest, inputs = self.output, manifest_path(self.output), corpus.identity()
        if overwrite or not output.exists() or self._is_replacing(options, inputs):
            return None
        self._check_origin()
        fields = read_manifest(manifest, options, inputs, output)
        if not are_untouched(fields["inputs"], inputs):
            compare_rows(fields)
        if self.folder.exists():  # left by a crash at the very end, or in use by a process that overwrites
            with suppress(CorpusError), self.locked():
                self.mark_done()
        with damage_named(manifest):
            return Report(**fields["report"])

    def _is_replacing(self, options: dict[str, Any], inputs: list[InputRecord]) -> bool:
        """Whether a job with these options has begun to replace the output."""
        if self._replacing.exists() and self.is_in_progress:
            with suppress(CorpusError):
                read_manifest(self.manifest, options, inputs, self.output)
                return True
        return False

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
                self._empty()
                self._replacing.touch()
            yield self.folder
        except (OSError, sqlite3.Error) as error:
            if getattr(error, "filename", None):
                raise
            # A full disk does not tell which file it was.
            reason = getattr(error, "strerror", None) or str(error)
            resumes = f"finished rows are kept, and {resuming_command(overwrite)} resumes the job"
            raise CorpusError(f"{self.output}: {reason}; {resumes}") from error
        finally:
            if is_over := not self.is_in_progress:  # finished, or nothing that another run could resume
                with suppress(OSError):
                    self._empty()
                shutil.rmtree(self.folder, ignore_errors=True)
            lock.release()
            if is_over:
                with suppress(OSError):  # where an open file cannot be removed, the lock was still in it
                    self.folder.rmdir()

    def _empty(self) -> None:
        """Remove everything but the lock, by which a folder is known to be a job's after a crash."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()

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


def resuming_command(overwrite: bool) -> str:
    """Return what resumes a job, in words: --overwrite would start over."""
    return "the same command without --overwrite" if overwrite else "the same command"


def _check_length(path: Path, output: Path) -> None:
    """Raise a CorpusError if a file of the job would have a longer name than the file system allows."""
    try:
        path.lstat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            reason = f"the name is too long, for the job also needs the name {path.name[-30:]!r}"
            raise CorpusError(f"{output}: {reason}. Take a shorter one") from None


def _check_folder(folder: Path) -> None:
    """Raise a CorpusError unless a file can be created in this folder."""
    if not folder.is_dir():
        raise CorpusError(f"{folder}: No such directory")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CorpusError(f"{folder}: {error.strerror}; the output cannot be written there") from None
