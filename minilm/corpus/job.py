"""Encode a corpus shard by shard, so that the same command resumes the job after any interruption.

Work in progress is in ``OUTPUT.incomplete/``: the finished rows, and a manifest that says what is being done
and how far it is. A shard counts once a manifest that names it is on the disk. At the end the output gets its
name. ``OUTPUT.manifest.json`` says how it was made, ``OUTPUT.errors.jsonl`` lists the rows without text, and
the folder is removed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from minilm._arrays import AnyArray, FloatArray, no_float_errors
from minilm._files import json_bytes, sync, write_json
from minilm._pipeline import Counts, windows
from minilm.corpus.dedupe import DeduplicationStore
from minilm.corpus.formats.columns import OtherColumns
from minilm.corpus.formats.row import Row
from minilm.corpus.formats.shard import Shard
from minilm.corpus.manifest import (
    Dtype,
    JobManifest,
    JobOptions,
    OnError,
    Report,
    check_rows,
    damage_named,
    read_manifest,
)
from minilm.corpus.output import ShardWriter, make_writer
from minilm.corpus.rows import Corpus
from minilm.corpus.workspace import JobWorkspace
from minilm.errors import CorpusError
from minilm.model import MiniLM
from minilm.quantization import quantize_embeddings, unit_ranges

Progress = Callable[[Report, int], object]
"""Told how far a job is: its report, and the bytes of input that were processed."""


def encode_corpus(
    model: MiniLM,
    corpus: Corpus,
    output: Path,
    options: JobOptions | None = None,
    *,
    advance: Progress = lambda report, position: None,  # noqa: ARG005
    stop: threading.Event | None = None,
) -> Report:
    """Encode all of ``corpus`` into ``output``, or resume an earlier run that was interrupted.

    Parameters
    ----------
    model : MiniLM
    corpus : Corpus
    output : Path
        Ends in .npy, .jsonl or .parquet.
    options : JobOptions, optional
    advance : callable
        Called at the beginning and after each shard, with the report and the bytes of input processed.
    stop : threading.Event, optional
        Set by another thread or a signal handler: the job ends after the current shard.

    Returns
    -------
    Report
        With fewer ``inputs`` than the corpus has, if the job was stopped.

    Raises
    ------
    CorpusError
        If the output exists and is not from this job, or is one of the inputs; if a job with other options
        was begun there; if it cannot be written; with "raise", at the first row without text.
    MissingExtraError
        If an input or the output needs a package that is not installed.
    """
    options = options or JobOptions()
    recorded = options.recorded(model, corpus, output.suffix)
    workspace = JobWorkspace(output)

    def compare_rows(fields: dict[str, Any]) -> None:
        check_rows(fields["inputs"], corpus.read().read_all(), output)

    if report := workspace.finished_report(
        corpus, recorded, overwrite=options.overwrite, compare_rows=compare_rows
    ):
        advance(report, corpus.total_bytes or 0)
        return report
    with workspace.locked(overwrite=options.overwrite):
        job = _LocalJob(model, corpus, workspace, options, recorded, advance)
        job.run(stop or threading.Event())
    return job.manifest.report


@dataclass
class _LocalJob:
    """One run over a corpus on this machine."""

    model: MiniLM
    corpus: Corpus
    workspace: JobWorkspace
    options: JobOptions
    recorded: dict[str, Any]
    advance: Progress

    def __post_init__(self) -> None:
        self._reader = self.corpus.read()
        inputs = self._reader.inputs
        self.manifest = JobManifest(self.recorded, inputs)
        if self.workspace.is_in_progress:
            fields = read_manifest(self.workspace.manifest, self.recorded, inputs, self.workspace.output)
            with damage_named(self.workspace.manifest):
                report = Report(**fields["report"])
                self.manifest = JobManifest(**{**fields, "options": self.recorded, "report": report})
        self._width = self.model.get_embedding_dimension(self.options.pooling)
        self._errors = self.workspace.folder / "errors.jsonl"

    def run(self, stop: threading.Event) -> None:
        """Process all remaining shards and publish the output, or return early if ``stop`` is set."""
        report = self.manifest.report
        rows = iter(self._reader)
        # The first shard settles the columns of the output, also where it was written by an earlier run.
        first = next(shards(rows), [])
        writer = make_writer(
            self.workspace, self.corpus, self._reader.column or "text", self._width, self.options
        )
        if first and not report.inputs:  # an earlier run has checked it
            self.corpus.check_kept(self._reader.unseen)
        rows = chain(first, rows)
        if report.inputs:
            for _ in islice(rows, report.inputs):  # processed by earlier runs
                pass
            check_rows(self.manifest.inputs, self._reader.inputs, self.workspace.output)
        # An earlier run may have written more after its last manifest.
        writer.rewind(self.manifest.marks)
        with self._errors.open("ab") as file:
            file.truncate(self.manifest.error_bytes)
        self.advance(report, self._reader.position if report.inputs else 0)
        with self._open_store() as store:
            for window in shards(rows):
                self._process(window, writer, store)
                self.advance(report, self._reader.position)
                if stop.is_set():
                    return
        result = writer.join(report.rows)
        with self._errors.open("rb") as errors:
            self.workspace.publish(result, asdict(self.manifest), report, errors)

    def _open_store(self) -> closing[DeduplicationStore] | nullcontext[None]:
        if not self.options.dedupe:
            return nullcontext()
        store = DeduplicationStore(self.workspace.folder / "distinct.sqlite", self._width)
        store.rewind(len(self.manifest.marks))
        return closing(store)

    def _process(self, window: list[Row], writer: ShardWriter, store: DeduplicationStore | None) -> None:
        """Encode and write one shard, and record it in the manifest."""
        manifest, report, number = self.manifest, self.manifest.report, len(self.manifest.marks)
        valid, invalid = split_valid(window, self.options.on_error)
        if invalid:
            with self._errors.open("ab") as file:
                file.writelines(error_line(row.source, row.line, row.problem) for row in invalid)
                sync(file)
                manifest.error_bytes = file.tell()
            report.errors += len(invalid)
        prompt = self.recorded["prompt"]
        encode = partial(encode_texts, self.model, report=report, options=self.options, prompt=prompt)
        if store:
            encode = partial(store.encode, encode=encode, shard=number)
        texts, others = texts_and_others(valid)
        # before the texts are encoded, so that a column that cannot be kept costs no work
        prepared = writer.prepare(texts, others, _sources(valid))
        vectors = cast(encode(texts), self.options.dtype)
        manifest.marks.append(writer.write(Shard(number, texts, prepared, vectors)))
        report.rows += len(valid)
        report.inputs += len(window)
        self._reader.check_unchanged()
        manifest.inputs = self._reader.inputs
        write_json(self.workspace.manifest, asdict(manifest))


class NoTextError(CorpusError):
    """A row has no text, and the job is to fail at such a row."""

    def __init__(self, source: str, line: int, problem: str | None) -> None:
        super().__init__(f"{source}, line {line}: {problem} (--on-error skip or empty goes on)")
        self.line, self.problem = line, problem


def encode_texts(
    model: MiniLM, texts: list[str], report: Report, options: JobOptions, prompt: str
) -> FloatArray:
    """Return one vector per text, shape (n, E), and add the texts and their tokens to the report."""
    counts = Counts()
    embed = model.head.embedder(options.pooling, model.normalize, model.truncate_dim)
    run = model.pipeline.run(texts, embed, counts=counts, prompt_text=prompt, batch_size=options.batch_size)
    vectors = [vector for _, window in run for vector in window]
    report.truncated += counts.truncated
    report.tokens += counts.tokens
    report.encoded += counts.texts
    width = model.get_embedding_dimension(options.pooling)
    return np.stack(vectors) if vectors else np.empty((0, width), np.float32)


@no_float_errors
def cast(vectors: FloatArray, dtype: Dtype) -> AnyArray:
    """Return the vectors in the type of the output; the ranges of int8 and uint8 depend on no vector."""
    if dtype == "float16":
        return vectors.astype(dtype, copy=False)
    ranges = unit_ranges(vectors.shape[1]) if dtype in ("int8", "uint8") else None
    return quantize_embeddings(vectors, dtype, ranges)


def texts_and_others(rows: list[Row]) -> tuple[list[str], list[OtherColumns]]:
    """Return the texts of rows, and their kept columns."""
    return [row.text or "" for row in rows], [row.other_columns for row in rows]


def _sources(rows: Sequence[Row]) -> str:
    """Return where rows come from, for an error message."""
    if not rows:
        return "no row"
    first, last = rows[0], rows[-1]
    if first.source != last.source:
        return f"{first.source} to {last.source}"
    return f"{first.source}, lines {first.line:,} to {last.line:,}"


def split_valid(window: list[Row], on_error: OnError) -> tuple[list[Row], list[Row]]:
    """Return the rows to encode, and the rows without text; with "raise", raise a NoTextError."""
    invalid = [row for row in window if row.problem is not None]
    valid = window if on_error == "empty" or not invalid else [row for row in window if row.problem is None]
    if invalid and on_error == "raise":
        raise NoTextError(invalid[0].source, invalid[0].line, invalid[0].problem)
    return valid, invalid


def error_line(source: str, line: int, problem: str | None) -> bytes:
    """Return the line of ``OUTPUT.errors.jsonl`` for a row without text."""
    return json_bytes({"file": source, "line": line, "problem": problem}) + b"\n"


def shards(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Iterate over the rows in shards; their limits depend on the rows alone, not on where a run began."""
    return windows(rows, lambda row: len(row.text or ""))
