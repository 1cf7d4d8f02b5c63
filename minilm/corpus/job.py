"""Encode a corpus shard by shard, so that whatever stops it, the same command goes on where it was.

Beside ``OUTPUT`` stands ``OUTPUT.incomplete/`` while the work is under way, with the rows that have landed
and a manifest: what is being done, and how far. A shard counts when the manifest that names it has landed. At
the end the output gets its name, ``OUTPUT.manifest.json`` says how it was made, ``OUTPUT.errors.jsonl`` which
rows had no text, and the folder goes.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from minilm.config import Pooling
from minilm.corpus.distinct import Distinct
from minilm.corpus.files import landing, sync, write_json
from minilm.corpus.reading import Corpus, Row
from minilm.corpus.writing import EMBEDDING, Shard, Vectors, make_sink
from minilm.errors import CorpusError
from minilm.model import MiniLM
from minilm.texts import WINDOW_CHARACTERS, WINDOW_TEXTS

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
class _Manifest:
    options: dict[str, Any]
    report: Report = field(default_factory=Report)
    marks: list[int] = field(default_factory=list)  # of the sink, one a shard
    error_bytes: int = 0

    @classmethod
    def read(cls, path: Path) -> _Manifest:
        fields = json.loads(path.read_bytes())
        return cls(**{**fields, "report": Report(**fields["report"])})


def encode_corpus(
    model: MiniLM,
    corpus: Corpus,
    output: Path,
    *,
    on_error: OnError = "raise",
    dtype: Literal["float32", "float16"] = "float32",
    dedupe: bool = False,
    pooling: Pooling | Sequence[Pooling] | None = None,
    prompt_name: str | None = None,
    batch_size: int = 32,
    overwrite: bool = False,
    advance: Callable[[Report], object] = lambda _: None,
    stop: threading.Event | None = None,
) -> Report:
    """Encode all of ``corpus`` into ``output``, or go on with what was begun.

    Parameters
    ----------
    model : MiniLM
    corpus : Corpus
    output : Path
        Ends in .npy, .jsonl or .parquet.
    on_error : {"raise", "skip", "empty"}
        What becomes of a row that is not text: the job fails, the row is left out, or it is encoded as the
        empty text. In both latter cases it is listed in ``OUTPUT.errors.jsonl``.
    dtype : {"float32", "float16"}
        Of the vectors that are written.
    dedupe : bool
        Encode each distinct text once. A folder's worth of them is kept on disk meanwhile.
    pooling, prompt_name, batch_size
        As for :meth:`minilm.MiniLM.encode`.
    overwrite : bool
        Begin anew, whatever is there.
    advance : callable
        Told how far the work is, after each shard and at its beginning.
    stop : threading.Event, optional
        Set by another thread or a signal handler: the shard in hand is the last.

    Returns
    -------
    Report
        With fewer ``inputs`` than there are, if it was stopped.

    Raises
    ------
    CorpusError
        If the output is there already and not from this job, if a job with other options has been begun
        there, if it cannot be written, or with "raise" at the first row that is not text.
    """
    from filelock import FileLock, Timeout

    options = _options(model, corpus, output, on_error, dtype, dedupe, pooling, prompt_name)
    work = output.with_name(output.name + ".incomplete")
    finished = output.with_name(output.name + ".manifest.json")
    if overwrite:
        shutil.rmtree(work, ignore_errors=True)
        for path in (output, finished):
            path.unlink(missing_ok=True)
    if output.exists():
        if not finished.exists():
            raise CorpusError(f"{output} exists, and not from here: take another name, or --overwrite")
        manifest = _Manifest.read(finished)
        _hold_to(options, manifest.options, output)
        shutil.rmtree(work, ignore_errors=True)
        advance(manifest.report)
        return manifest.report
    work.mkdir(exist_ok=True)
    lock = FileLock(work / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise CorpusError(f"{output} is being written by another process") from None
    try:
        job = _Job(model, corpus, output, work, options, advance)
        job.run(stop or threading.Event(), on_error, dtype, pooling, prompt_name, batch_size, dedupe)
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
    if job.is_complete:
        shutil.rmtree(work, ignore_errors=True)
    return job.manifest.report


def _options(
    model: MiniLM,
    corpus: Corpus,
    output: Path,
    on_error: OnError,
    dtype: str,
    dedupe: bool,
    pooling: Pooling | Sequence[Pooling] | None,
    prompt_name: str | None,
) -> dict[str, Any]:
    """Everything that the output depends on, as the manifest keeps it."""
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
        "output": output.suffix,
        "on_error": on_error,
        "dtype": dtype,
        "dedupe": dedupe,
        "max_seq_length": model.max_seq_length,
        "pooling": [modes] if isinstance(modes, str) else list(modes),
        "normalize": model.normalize,
        "prompt": model.resolve_prompt(prompt_name=prompt_name),
    }


def _hold_to(options: dict[str, Any], begun: dict[str, Any], output: Path) -> None:
    different = [name for name, value in options.items() if begun.get(name) != value]
    if different:
        shown = "; ".join(f"{name} was {begun.get(name)!r} and is {options[name]!r}" for name in different)
        raise CorpusError(
            f"{output} was begun with other options: {shown}. Take another name, or --overwrite"
        )


class _Job:
    """One run over a corpus."""

    def __init__(
        self,
        model: MiniLM,
        corpus: Corpus,
        output: Path,
        work: Path,
        options: dict[str, Any],
        advance: Callable[[Report], object],
    ) -> None:
        self._model = model
        self._corpus = corpus
        self._output = output
        self._work = work
        self._advance = advance
        self._path = work / "manifest.json"
        self._errors = work / "errors.jsonl"
        self.manifest = _Manifest(options)
        if self._path.exists():
            self.manifest = _Manifest.read(self._path)
            _hold_to(options, self.manifest.options, output)
        self.is_complete = False

    def run(
        self,
        stop: threading.Event,
        on_error: OnError,
        dtype: Literal["float32", "float16"],
        pooling: Pooling | Sequence[Pooling] | None,
        prompt_name: str | None,
        batch_size: int,
        dedupe: bool,
    ) -> None:
        report, before = self.manifest.report, self._model.resolve_prompt(prompt_name=prompt_name)
        rows = iter(self._corpus)
        for _ in range(report.inputs):
            next(rows, None)
        first = next(rows, None)  # tells the column, which the sink wants to know
        width = self._model.get_embedding_dimension() if pooling is None else self._width(pooling)
        sink = make_sink(
            self._output,
            self._work,
            column=self._corpus.column or "text",
            width=width,
            dtype=dtype,
            kept_types=self._corpus.kept_types,
        )
        sink.rewind(self.manifest.marks)
        with self._errors.open("ab") as file:
            file.truncate(self.manifest.error_bytes)
        distinct = Distinct(self._work / "distinct.sqlite", width) if dedupe else None
        if distinct:
            distinct.rewind(len(self.manifest.marks))
        self._advance(report)

        def encode(texts: list[str]) -> Vectors:
            (ids, is_cut) = self._model.tokenizer([before + text for text in texts])
            report.truncated += sum(is_cut)
            report.tokens += sum(map(len, ids))
            report.encoded += len(texts)
            return self._model.encode_tokens(ids, pooling=pooling, batch_size=batch_size)

        try:
            for window in _shards(first, rows):
                good = self._sift(window, on_error)
                texts = [row.text or "" for row in good]
                if self._corpus.keep and any(EMBEDDING in row.kept for row in good):
                    raise CorpusError(
                        f"a column of the input is called {EMBEDDING!r}, as that of the vectors is"
                    )
                number = len(self.manifest.marks)
                vectors = distinct.encode(texts, encode, number) if distinct else encode(texts)
                shard = Shard(number, texts, [row.kept for row in good], vectors.astype(dtype))
                self.manifest.marks.append(sink.land(shard))
                report.rows += len(good)
                report.inputs += len(window)
                write_json(self._path, asdict(self.manifest))
                self._advance(report)
                if stop.is_set():
                    return
        finally:
            if distinct:
                distinct.close()
        # in this order a crash between any two leaves what the next run finishes
        if report.errors:
            with landing(self._output.with_name(self._output.name + ".errors.jsonl")) as copy:
                copy.write(self._errors.read_bytes())
        write_json(self._output.with_name(self._output.name + ".manifest.json"), asdict(self.manifest))
        sink.finish(report.rows, self._output)
        self.is_complete = True

    def _width(self, pooling: Pooling | Sequence[Pooling]) -> int:
        return self._model.config.hidden_size * (1 if isinstance(pooling, str) else len(pooling))

    def _sift(self, window: list[Row], on_error: OnError) -> list[Row]:
        """The rows to encode; the others are listed, or the first of them stops the job."""
        bad = [row for row in window if row.problem is not None]
        if not bad:
            return window
        if on_error == "raise":
            row = bad[0]
            raise CorpusError(
                f"{row.source}, line {row.line}: {row.problem} (--on-error skip or empty goes on)"
            )
        with self._errors.open("ab") as file:
            for row in bad:
                entry = {"file": row.source, "line": row.line, "problem": row.problem}
                file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
            sync(file)
            self.manifest.error_bytes = file.tell()
        self.manifest.report.errors += len(bad)
        return window if on_error == "empty" else [row for row in window if row.problem is None]


def _shards(first: Row | None, rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Rows that are encoded and land together: the same ones, wherever the reading begins."""
    window: list[Row] = []
    characters = 0
    row = first
    while row is not None:
        window.append(row)
        characters += len(row.text or "")
        if len(window) == WINDOW_TEXTS or characters >= WINDOW_CHARACTERS:
            yield window
            window, characters = [], 0
        row = next(rows, None)
    if window:
        yield window
