"""What a job over a corpus does, with what options, and how far it is: so that it can go on, or refuse."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from minilm.corpus.rows import Corpus
from minilm.errors import CorpusError, one_line
from minilm.model import MiniLM
from minilm.pooling import Pooling

OnError = Literal["raise", "skip", "empty"]
ON_ERROR: tuple[OnError, ...] = ("raise", "skip", "empty")


@dataclass
class Report:
    """What a job did, earlier runs included."""

    rows: int = 0  # written
    errors: int = 0  # rows without text
    truncated: int = 0  # texts that were cut at max_seq_length
    encoded: int = 0  # texts that went through the encoder; fewer than rows if some were equal
    tokens: int = 0
    inputs: int = 0  # rows of the input that are behind us


@dataclass
class Manifest:
    """How far a job is, that does one shard after the other."""

    options: dict[str, Any]
    report: Report = field(default_factory=Report)
    marks: list[int] = field(default_factory=list)  # of the sink, one a shard
    ends: list[int] = field(default_factory=list)  # rows of the output up to the end of each shard
    error_bytes: int = 0
    stdin_sha256: str = ""  # of the rows from standard input that are behind us

    @classmethod
    def read(cls, path: Path, options: dict[str, Any], output: Path) -> Manifest:
        """The manifest at ``path``, if it is of a job with these options."""
        fields = read_manifest(path, options, output)
        with named(path):
            return cls(**{**fields, "options": options, "report": Report(**fields["report"])})


def manifest_path(output: Path) -> Path:
    """Where it is told how a finished output was made."""
    return output.with_name(output.name + ".manifest.json")


def read_manifest(path: Path, options: dict[str, Any], output: Path) -> dict[str, Any]:
    """What the manifest at ``path`` says.

    Raises
    ------
    CorpusError
        If it is damaged, or its job has other options; the message names them.
    """
    with named(path):
        fields: dict[str, Any] = json.loads(path.read_bytes())
        begun = dict(fields["options"])
    if begun.get("on_error") == "raise":  # then no row without text is behind us: what follows is free
        begun["on_error"] = options["on_error"]
    if different := [name for name, value in options.items() if begun.get(name) != value]:
        shown = "; ".join(
            _TOLD[name]  # lists of paths, sizes, times and checksums would help nobody
            if name in _TOLD
            else f"{name} was {begun.get(name)!r} and is {options[name]!r}"
            for name in different
        )
        raise CorpusError(
            f"{output} was begun with other options: {shown}. Take another name, or --overwrite"
        )
    return fields


_TOLD = {
    "input": "the input is another, or has changed",
    "files": "the model's tokenizer or configuration is another",
}


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Whatever a damaged file makes its reader raise, as an error that names the file."""
    try:
        yield
    except (CorpusError, MemoryError):
        raise
    except Exception as error:
        # numpy and pyarrow raise what their parts raise: TokenError, OverflowError, UnicodeDecodeError ...
        if isinstance(error, OSError) and error.errno:  # the disk, not the file
            raise
        reason = one_line(f"{type(error).__name__}: {error}")
        raise CorpusError(f"{path} is damaged, or not from minilm encode: {reason}") from error


def is_under_way(output: Path) -> bool:
    """Whether a job has begun on the output, and is not done."""
    return (_work_on(output) / "manifest.json").exists()


def forget(output: Path) -> None:
    """Let :func:`working_on` remove its folder: there is nothing more to do in it."""
    (_work_on(output) / "manifest.json").unlink(missing_ok=True)


def errors_path(output: Path) -> Path:
    """Where the rows without text are listed."""
    return output.with_name(output.name + ".errors.jsonl")


def finished_before(
    output: Path, corpus: Corpus, options: dict[str, Any], *, overwrite: bool
) -> Report | None:
    """What the job did, if all is done; None if it is to be done, or to be gone on with.

    Raises
    ------
    CorpusError
        If the output is there and not from this job, or among the inputs.
    """
    _check_not_read(output, corpus)
    finished, work = manifest_path(output), _work_on(output)
    if overwrite and output.is_dir() and not finished.exists():
        raise CorpusError(f"{output} is a directory, and not from here: take another name, or remove it")
    if overwrite or not output.exists() or _is_being_replaced(output, options):
        return None
    if not finished.exists():
        raise CorpusError(f"{output} exists, and not from here: take another name, or --overwrite")
    fields = read_manifest(finished, options, output)
    if "-" in corpus.paths:
        for _ in corpus:
            pass
        check_stdin(output, corpus, fields.get("stdin_sha256", ""))
    if work.exists():  # a crash at the very end left it, or another process is about to replace the output
        with suppress(CorpusError), working_on(output):
            forget(output)
    with named(finished):
        return Report(**fields["report"])


def _is_being_replaced(output: Path, options: dict[str, Any]) -> bool:
    """Whether a job with these options has begun to overwrite the output."""
    work = _work_on(output)
    if not (work / _REPLACING).exists() or not is_under_way(output):
        return False
    try:
        read_manifest(work / "manifest.json", options, output)
    except CorpusError:
        return False
    return True


def check_stdin(output: Path, corpus: Corpus, sha256: str) -> None:
    """Raise a CorpusError unless the rows that came from standard input are those with this sha256."""
    if corpus.stdin_sha256 != sha256:
        raise CorpusError(f"{output} was begun with other rows from stdin. Take another name, or --overwrite")


def _check_not_read(output: Path, corpus: Corpus) -> None:
    own = [path.resolve() for path in (output, manifest_path(output), errors_path(output))]
    for path in corpus.paths:
        resolved = Path(path).resolve()
        if path != "-" and any(one == resolved or one in resolved.parents for one in own):
            raise CorpusError(
                f"{path} is an input, and would be written over: take another name than {output}"
            )


def make_way(output: Path, *, errors: bool) -> None:
    """Remove what a finished job is about to replace: its own errors too, if it has none."""
    if (_work_on(output) / _REPLACING).exists():
        # before the new manifest is there, or else a crash would leave it with the old rows
        if output.is_dir():
            shutil.rmtree(output)
        output.unlink(missing_ok=True)
        manifest_path(output).unlink(missing_ok=True)
        (_work_on(output) / _REPLACING).unlink()
    if not errors:
        errors_path(output).unlink(missing_ok=True)


@contextmanager
def working_on(output: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """The folder for work on an output, held against other processes; with ``overwrite`` it is a new one.

    An output that is there stays as it is until another is whole (:func:`make_way`).

    Raises
    ------
    CorpusError
        If another process holds it, or nothing can be written.
    """
    from filelock import FileLock, Timeout

    work = _work_on(output)
    work.mkdir(exist_ok=True)
    lock = FileLock(work / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise CorpusError(f"{output} is being written by another process") from None
    try:
        if overwrite:
            for path in work.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name != "lock":
                    path.unlink()
            (work / _REPLACING).touch()
        yield work
    except (OSError, sqlite3.Error) as error:
        if getattr(error, "filename", None):
            raise
        # a full disk does not say which file it was
        reason = getattr(error, "strerror", None) or str(error)
        same = "the same command without --overwrite" if overwrite else "the same command"
        raise CorpusError(f"{output}: {reason}; what has landed is kept, and {same} goes on") from error
    finally:
        if is_over := not is_under_way(output):  # all is done, or nothing that another run could go on from
            shutil.rmtree(work, ignore_errors=True)
        lock.release()
        if is_over:
            with suppress(OSError):  # where an open file cannot be removed, the lock was still in it
                work.rmdir()


_REPLACING = "overwrite"  # in the folder for work: the output that is there is to be replaced


def _work_on(output: Path) -> Path:
    return output.with_name(output.name + ".incomplete")


def options_of(
    model: MiniLM,
    corpus: Corpus,
    kind: str,
    on_error: OnError,
    dtype: str,
    pooling: Pooling | Sequence[Pooling] | None,
    prompt_name: str | None,
    *,
    dedupe: bool = False,
) -> dict[str, Any]:
    """Everything that an output of that kind depends on, as the manifest keeps it."""
    from minilm.hub import sha256_of_files

    checkpoint = model.checkpoint
    files = sha256_of_files(checkpoint)
    modes = model.config.pooling if pooling is None else pooling
    return {
        "model": checkpoint.repo_id or str(checkpoint.directory),
        "revision": checkpoint.revision,
        "sha256": files.pop("model.safetensors"),
        "files": files,  # the others
        "input": corpus.identity(),
        "column": corpus.column,
        "keep": corpus.keep,
        "output": kind,
        "on_error": on_error,
        "dtype": dtype,
        "dedupe": dedupe,
        "max_seq_length": model.max_seq_length,
        "truncate_dim": model.truncate_dim,
        "pooling": [modes] if isinstance(modes, str) else list(modes),
        "normalize": model.normalize,
        "prompt": model.resolve_prompt(prompt_name=prompt_name),
    }
