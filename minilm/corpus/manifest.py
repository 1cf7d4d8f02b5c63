"""What a job over a corpus does, with what options, and how far it is: so that it can go on, or refuse."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from minilm.config import Pooling
from minilm.corpus.reading import Corpus
from minilm.errors import CorpusError
from minilm.model import MiniLM

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
    error_bytes: int = 0

    @classmethod
    def read(cls, path: Path, options: dict[str, Any], output: Path) -> Manifest:
        """The manifest at ``path``, if it is of a job with these options."""
        fields = read_manifest(path, options, output)
        return cls(**{**fields, "report": Report(**fields["report"])})


def manifest_path(output: Path) -> Path:
    """Where it is told how a finished output was made."""
    return output.with_name(output.name + ".manifest.json")


def read_manifest(path: Path, options: dict[str, Any], output: Path) -> dict[str, Any]:
    """What the manifest at ``path`` says.

    Raises
    ------
    CorpusError
        If its job has other options; the message names them.
    """
    fields: dict[str, Any] = json.loads(path.read_bytes())
    begun = fields["options"]
    if different := [name for name, value in options.items() if begun.get(name) != value]:
        shown = "; ".join(f"{name} was {begun.get(name)!r} and is {options[name]!r}" for name in different)
        raise CorpusError(
            f"{output} was begun with other options: {shown}. Take another name, or --overwrite"
        )
    return fields


def finished_before(output: Path, options: dict[str, Any], *, overwrite: bool) -> Report | None:
    """What the job did, if all is done; with ``overwrite`` first forget whatever is there.

    Raises
    ------
    CorpusError
        If the output is there and not from this job.
    """
    finished = manifest_path(output)
    if overwrite:
        if output.is_dir() and not finished.exists():
            raise CorpusError(f"{output} is a directory, and not from here: take another name, or remove it")
        shutil.rmtree(_work_on(output), ignore_errors=True)
        if output.is_dir():
            shutil.rmtree(output)
        output.unlink(missing_ok=True)
        finished.unlink(missing_ok=True)
    if not output.exists():
        return None
    if not finished.exists():
        raise CorpusError(f"{output} exists, and not from here: take another name, or --overwrite")
    fields = read_manifest(finished, options, output)
    shutil.rmtree(_work_on(output), ignore_errors=True)
    return Report(**fields["report"])


@contextmanager
def working_on(output: Path) -> Iterator[Path]:
    """The folder for work on an output, held against other processes.

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
        yield work
    except (OSError, sqlite3.Error) as error:
        if getattr(error, "filename", None):
            raise
        # a full disk does not say which file it was
        reason = getattr(error, "strerror", None) or str(error)
        raise CorpusError(
            f"{output}: {reason}; what has landed is kept, and the same command goes on"
        ) from error
    finally:
        lock.release()


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
    from minilm.hub import sha256_of

    checkpoint = model.checkpoint
    modes = model.config.pooling if pooling is None else pooling
    return {
        "model": checkpoint.repo_id or str(checkpoint.directory),
        "revision": checkpoint.revision,
        "sha256": sha256_of(checkpoint.directory / "model.safetensors"),
        "input": corpus.identity(),
        "column": corpus.column,
        "keep": corpus.keep,
        "output": kind,
        "on_error": on_error,
        "dtype": dtype,
        "dedupe": dedupe,
        "max_seq_length": model.max_seq_length,
        "pooling": [modes] if isinstance(modes, str) else list(modes),
        "normalize": model.normalize,
        "prompt": model.resolve_prompt(prompt_name=prompt_name),
    }
