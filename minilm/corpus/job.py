"""Encode a corpus shard by shard, so that whatever stops it, the same command goes on where it was.

Beside ``OUTPUT`` stands ``OUTPUT.incomplete/`` while the work is under way, with the rows that have landed
and a manifest: what is being done, and how far. A shard counts when the manifest that names it has landed. At
the end the output gets its name, ``OUTPUT.manifest.json`` says how it was made, ``OUTPUT.errors.jsonl`` which
rows had no text, and the folder goes.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from minilm._files import atomic_write, json_bytes, rename_durably, sync, write_json
from minilm._pipeline import WINDOW_CHARACTERS, WINDOW_TEXTS
from minilm.corpus.dedupe import Distinct
from minilm.corpus.formats import EMBEDDING, Shard, Vectors, make_sink
from minilm.corpus.manifest import (
    Manifest,
    OnError,
    Report,
    check_stdin,
    errors_path,
    finished_before,
    forget,
    make_way,
    manifest_path,
    options_of,
    working_on,
)
from minilm.corpus.rows import Corpus, Row
from minilm.errors import CorpusError
from minilm.model import MiniLM
from minilm.pooling import Pooling
from minilm.quantization import truncate_embeddings


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
        Begin anew, whatever is there; it is replaced once the new output is whole.
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
        If the output is there already and not from this job, or among the inputs, if a job with other options
        has been begun there, if it cannot be written, or with "raise" at the first row that is not text.
    """
    kind = output.suffix
    options = options_of(model, corpus, kind, on_error, dtype, pooling, prompt_name, dedupe=dedupe)
    if report := finished_before(output, corpus, options, overwrite=overwrite):
        advance(report)
        return report
    with working_on(output, overwrite=overwrite) as work:
        job = _Job(model, corpus, output, work, options, advance)
        job.run(stop or threading.Event(), on_error, dtype, pooling, prompt_name, batch_size, dedupe)
        if job.is_complete:
            forget(output)
    return job.manifest.report


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
        self.manifest = Manifest(options)
        if self._path.exists():
            self.manifest = Manifest.read(self._path, options, output)
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
        # what the output's columns are is settled by the first shard, also where it has landed before
        first = next(shards(rows), [])
        ahead, self._corpus.position = self._corpus.position, 0  # which is read, and not behind us yet
        if self._output.suffix != ".npy":
            check_name(self._corpus.column)
        width = width_of(self._model, pooling)
        sink = make_sink(
            self._output,
            self._work,
            column=self._corpus.column or "text",
            width=width,
            dtype=dtype,
            kept_types=dict(self._corpus.kept_types),
        )
        rows = chain(_emptying(first), rows)
        for _ in range(report.inputs):
            next(rows, None)
        if report.inputs:
            self._corpus.position = max(self._corpus.position, ahead)
            check_stdin(self._output, self._corpus, self.manifest.stdin_sha256)
        sink.rewind(self.manifest.marks)
        with self._errors.open("ab") as file:
            file.truncate(self.manifest.error_bytes)
        distinct = Distinct(self._work / "distinct.sqlite", width) if dedupe else None
        if distinct:
            distinct.rewind(len(self.manifest.marks))
        self._advance(report)

        def encode(texts: list[str]) -> Vectors:
            return encode_texts(
                self._model, texts, report, prompt=before, pooling=pooling, batch_size=batch_size
            )

        try:
            for window in shards(rows):
                good = self._sift(window, on_error)
                texts = [row.text or "" for row in good]
                number = len(self.manifest.marks)
                vectors = distinct.encode(texts, encode, number) if distinct else encode(texts)
                shard = Shard(number, texts, [row.kept for row in good], vectors.astype(dtype))
                self.manifest.marks.append(sink.land(shard))
                report.rows += len(good)
                self.manifest.ends.append(report.rows)
                report.inputs += len(window)
                self.manifest.stdin_sha256 = self._corpus.stdin_sha256
                write_json(self._path, asdict(self.manifest))
                self._corpus.position = max(self._corpus.position, ahead)
                self._advance(report)
                if stop.is_set():
                    return
        finally:
            if distinct:
                distinct.close()
        whole = sink.join(report.rows)
        # in this order a crash between any two leaves what the next run finishes
        make_way(self._output, errors=bool(report.errors))
        if report.errors:
            with atomic_write(errors_path(self._output)) as copy, self._errors.open("rb") as errors:
                shutil.copyfileobj(errors, copy)
        write_json(manifest_path(self._output), asdict(self.manifest))
        rename_durably(whole, self._output)
        self.is_complete = True

    def _sift(self, window: list[Row], on_error: OnError) -> list[Row]:
        """The rows to encode; the others are listed, or the first of them stops the job."""
        good, bad = sift(window, on_error)
        if not bad:
            return good
        if on_error == "raise":
            raise CorpusError(refusal(bad[0].source, bad[0].line, bad[0].problem))
        with self._errors.open("ab") as file:
            for row in bad:
                file.write(error_line(row.source, row.line, row.problem))
            sync(file)
            self.manifest.error_bytes = file.tell()
        self.manifest.report.errors += len(bad)
        return good


def encode_texts(
    model: MiniLM,
    texts: list[str],
    report: Report,
    *,
    prompt: str,
    pooling: Pooling | Sequence[Pooling] | None,
    batch_size: int,
) -> Vectors:
    """A vector of each text, (n, E); the report counts what went through the encoder."""
    ids, is_cut, _ = model.pipeline.tokenize_window(texts, prompt)
    report.truncated += sum(is_cut)
    report.tokens += sum(map(len, ids))
    report.encoded += len(texts)
    vectors = model.encode_tokens(ids, pooling=pooling, batch_size=batch_size)
    return truncate_embeddings(vectors, model.truncate_dim)


def width_of(model: MiniLM, pooling: Pooling | Sequence[Pooling] | None) -> int:
    """Components of the vectors, ``model.truncate_dim`` respected."""
    if pooling is None:
        return model.get_embedding_dimension()
    width = model.config.hidden_size * (1 if isinstance(pooling, str) else len(pooling))
    return min(width, model.truncate_dim or width)


def sift(window: list[Row], on_error: OnError) -> tuple[list[Row], list[Row]]:
    """The rows to encode, and those that are no text."""
    bad = [row for row in window if row.problem is not None]
    good = window if on_error == "empty" or not bad else [row for row in window if row.problem is None]
    for row in good:
        check_name(*row.kept)
    return good, bad


def check_name(*columns: str | None) -> None:
    """Raise a CorpusError if one of the columns has the name of that of the vectors."""
    if EMBEDDING in columns:
        raise CorpusError(f"a column of the input is called {EMBEDDING!r}, as that of the vectors is")


def refusal(source: str, line: int, problem: str | None) -> str:
    """What a job dies of at a row that is no text."""
    return f"{source}, line {line}: {problem} (--on-error skip or empty goes on)"


def error_line(source: str, line: int, problem: str | None) -> bytes:
    """A row that is no text, as ``OUTPUT.errors.jsonl`` lists it."""
    entry = {"file": source, "line": line, "problem": problem}
    return json_bytes(entry) + b"\n"


def _emptying(rows: list[Row]) -> Iterator[Row]:
    """The rows, none of which is kept for longer than until it is taken."""
    rows.reverse()
    while rows:
        yield rows.pop()


def shards(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows that are encoded and land together: the same ones, wherever the reading begins."""
    window: list[Row] = []
    characters = 0
    for row in rows:
        window.append(row)
        characters += len(row.text or "")
        if len(window) == WINDOW_TEXTS or characters >= WINDOW_CHARACTERS:
            yield window
            window, characters = [], 0
    if window:
        yield window
