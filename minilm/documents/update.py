"""Bring a table up to date: encode new and changed documents, remove vanished ones, in one transaction."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from minilm.corpus.formats.columns import Arrow
from minilm.corpus.paths import absolute, is_url
from minilm.documents.content import Unreadable, UnreadableNow
from minilm.documents.find import Candidate, Problem, TableColumns, find_documents, is_below, source_of
from minilm.documents.known import Known, noted, read_known, write_note
from minilm.documents.metadata import MetadataColumns
from minilm.documents.sections import PiecePlaces, sections
from minilm.documents.spool import Spool
from minilm.documents.table import (
    APPROXIMATE_ABOVE,
    KEY,
    Lance,
    TableRecipe,
    create_table,
    find_table,
    import_for_index,
    lance_errors,
    metadata_of,
    open_table,
    restore_table,
    schema_of,
    sql_text,
    write_lock,
)
from minilm.errors import CorpusError
from minilm.model import MiniLM
from minilm.text.pieces import piece_cutter

# Pieces that are encoded at a time: enough of similar length for every core, and a bar that moves.
_WINDOW = 1024
# How long the files of an earlier version stay for those who still read it.
_OLD_VERSIONS = timedelta(hours=1)
_TRIES = 5  # to add columns, while others write
OnSkip = Literal["skip", "raise"]

logger = logging.getLogger(__name__)


@dataclass
class UpdateReport:
    """What an update did: numbers of documents, pieces that were encoded, and what was left out and why."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    pieces: int = 0
    skipped: list[Problem] = field(default_factory=list)


@dataclass
class _Met:
    """What an update has met on its way."""

    names: set[str] = field(default_factory=set)  # documents, and files that give none now
    closed: list[str] = field(default_factory=list)  # folders that cannot be read now
    stale: list[str] = field(default_factory=list)  # documents of which the table has other pieces

    def vanished(self, paths: Sequence[str], known: Mapping[str, Sequence[str]]) -> list[str]:
        """Return the documents that these paths gave earlier, or would give, and do not give now."""
        given = [source_of(path) for path in paths]
        return [
            document
            for document, (_, source) in known.items()
            if document not in self.names
            and source not in self.names  # a table that cannot be read now
            and not any(is_below(document, folder) for folder in self.closed)
            and (
                source in given
                or (any(is_below(document, path) for path in given) and _is_gone(document, source))
            )
        ]


def _is_gone(document: str, source: str) -> bool:
    """Whether the file of a document is no longer there. Of a URL it counts whether a folder still has it."""
    file = source if document.startswith(f"{source}#") else document
    return source != file if is_url(file) else not os.path.exists(file)  # noqa: PTH110 - for each document


def update_table(
    place: str,
    paths: Sequence[str],
    model: MiniLM,
    recipe: TableRecipe,
    *,
    columns: TableColumns,
    on_error: OnSkip = "skip",
    advance: Callable[[int], object] | None = None,
) -> UpdateReport:
    """Make the table at a place hold the documents of some paths; see ``Documents.update``."""
    report = UpdateReport()
    width = model.get_embedding_dimension()
    with write_lock(place):
        note = noted(place)
        table = find_table(place) if note is None else None
        known = note or (Known(recipe, {}) if table is None else read_known(table, place))
        known.recipe.check_model(recipe, place)
        known.recipe.check_pieces(recipe, place)
        met = _Met()
        fresh = _fresh(find_documents(paths, columns), known.documents, met, report, on_error)
        fresh, has_fresh = _peeked(fresh)
        if note is not None:
            if not (has_fresh or met.stale or met.vanished(paths, known.documents)):
                return report  # without LanceDB
            table = open_table(place)
        with (
            tempfile.TemporaryDirectory(prefix="minilm-") as folder,
            Spool(Path(folder), schema_of(known.recipe, width)) as spool,
        ):
            metadata = MetadataColumns(place, metadata_of(table), columns.unkept)
            _encode(fresh, model, known.recipe, metadata, spool, report, advance)
            vanished = met.vanished(paths, known.documents)
            report.removed = len(vanished)
            if table is None and not report.pieces:
                return report  # an update that finds nothing makes no table
            fields = metadata.new_fields()
            with _undone_on_failure(place, table):
                if table is None:
                    table = create_table(place, schema_of(recipe, width, fields))
                if report.pieces or met.stale or vanished:
                    with lance_errors(place):
                        _merge(table, place, spool, fields, [*met.stale, *vanished])
            if report.pieces or met.stale or vanished:
                with lance_errors(place):
                    _index_unless_others_do(table, place)
        write_note(table, place)
    return report


@contextmanager
def _undone_on_failure(place: str, table: Lance | None) -> Iterator[None]:
    """Drop a table that the block makes, or the columns that it adds, if it fails.

    A place without a lock keeps them, for another writer may use them by now: without rows, or values.
    """
    version = None if table is None else table.version
    try:
        yield
    except BaseException:
        if not is_url(place):
            with suppress(CorpusError):  # the first error says more
                restore_table(place, version)
        raise


def _fresh(
    found: Iterator[Candidate | Problem],
    known: Mapping[str, Sequence[str]],
    met: _Met,
    report: UpdateReport,
    on_error: OnSkip,
) -> Iterator[tuple[Candidate, Any]]:
    """Yield the documents that are new or changed, with their texts."""
    for item in found:
        try:
            if isinstance(item, tuple):
                raise Unreadable(item[1])
            met.names.add(item.document)
            before, _ = known.get(item.document, ("", ""))
            if before == item.sha256:
                report.unchanged += 1
                continue
            document = item.read()
        except Unreadable as error:
            path = item[0] if isinstance(item, tuple) else item.path
            if on_error == "raise":
                raise CorpusError(f"{path}: {error} (--on-error skip goes on)") from None
            if isinstance(item, tuple):
                met.names.add(absolute(path))  # what cannot be read now keeps the pieces that it has
                if os.path.isdir(path):  # noqa: PTH112 - it may be a URL
                    met.closed.append(absolute(path))
            elif before and not isinstance(error, UnreadableNow):
                met.stale.append(item.document)
            report.skipped.append((path, str(error)))
            continue
        if before:
            met.stale.append(item.document)
        report.changed += bool(before)
        report.added += not before
        yield item, document


def _peeked(documents: Iterator[Any]) -> tuple[Iterator[Any], bool]:
    """Return an iterator over the same, and whether there is any; the first one is not held longer."""
    first = [*islice(documents, 1)]
    return chain(first, documents), bool(first)


def _encode(
    documents: Iterator[tuple[Candidate, Any]],
    model: MiniLM,
    recipe: TableRecipe,
    metadata: MetadataColumns,
    spool: Spool,
    report: UpdateReport,
    advance: Callable[[int], object] | None,
) -> None:
    """Write the pieces of documents, their metadata and their vectors to a spool."""
    for rows in _windows(_piece_rows(documents, model, recipe)):
        found = {row["document"]: row["found"] for row in rows}
        source = next((item.source for item in found.values() if item.metadata), "")
        table = metadata.table([item.metadata for item in found.values()], source)
        numbers = dict(zip(found, range(len(found)), strict=True))
        repeated = table.take([numbers[row["document"]] for row in rows]) if table.num_columns else table
        vectors = model.encode_document([row["text"] for row in rows], show_progress_bar=False)
        spool.add(rows, vectors, repeated)
        report.pieces += len(rows)
        if advance is not None:
            advance(len(rows))


def _piece_rows(
    documents: Iterator[tuple[Candidate, Any]], model: MiniLM, recipe: TableRecipe
) -> Iterator[dict[str, Any]]:
    for found, document in documents:
        cut = piece_cutter(model, recipe.tokens, recipe.overlap, markup=document.markup)
        places, number = PiecePlaces(), 0
        for stretch in sections(document.stretches, at_headings=document.has_sections):
            places.enter(stretch)
            for piece in cut(stretch.start, stretch.text):
                place = places.of(piece)
                yield {
                    "found": found,
                    KEY: f"{found.document}#{number}",
                    "document": found.document,
                    "path": found.path,
                    "found_by": found.source,
                    "sha256": found.sha256,
                    "piece": number,
                    "start": piece.start,
                    "end": piece.end,
                    "line": place.line if document.has_lines else None,
                    "end_line": place.end_line if document.has_lines else None,
                    "heading": place.heading,
                    "text": piece.text,
                }
                number += 1


def _windows(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    window: list[dict[str, Any]] = []
    for row in rows:
        window.append(row)
        if len(window) == _WINDOW:
            yield window
            window = []
    if window:
        yield window


def _merge(table: Lance, place: str, spool: Spool, fields: Sequence[Arrow], documents: Sequence[str]) -> None:
    """Put the pieces of a spool in the place of those that these documents have.

    Columns that the table lacks come before, in a version of their own: without a value they change nothing.
    They come when it is sure that the pieces fit them.
    """
    arrow = import_for_index("pyarrow")
    table.checkout_latest()  # of a place without a lock
    for _ in range(_TRIES):
        new = [field for field in fields if field.name not in table.schema.names]
        pieces = spool.read(arrow.schema([*table.schema, *new]), place)
        try:
            if new:
                table.add_columns(new)
            break
        except RuntimeError as error:
            if "conflict" not in str(error):
                raise
            table.checkout_latest()  # another writer of a place without a lock was faster
    merge_pieces(table, pieces, documents)


def merge_pieces(table: Lance, pieces: Arrow, documents: Sequence[str]) -> None:
    """Put pieces in the place of those that these documents have: as one version of the table."""
    merge = table.merge_insert(KEY).when_matched_update_all().when_not_matched_insert_all()
    if documents:
        merge = merge.when_not_matched_by_source_delete(
            f"document IN ({', '.join(map(sql_text, documents))})"
        )
    merge.execute(pieces)


def _index_unless_others_do(table: Lance, place: str) -> None:
    """Index what is new. Without a lock another writer may do so now; a search reads it all the same."""
    try:
        index_table(table)
    except RuntimeError as error:
        if "commit conflict" not in str(error):
            raise
        logger.info("another process writes to %s: the next update indexes what this one added", place)


def index_table(table: Lance) -> None:
    """Index what is new, and drop the files of old versions. A crash here leaves the table as it is."""
    kinds = import_for_index("lancedb.index")
    indexed = {column for index in table.list_indices() for column in index.columns}
    if "text" not in indexed:
        table.create_index("text", config=kinds.FTS())
    if "vector" not in indexed and table.count_rows() > APPROXIMATE_ABOVE:
        table.create_index("vector", config=kinds.IvfSq(distance_type="cosine"))
    table.optimize(cleanup_older_than=_OLD_VERSIONS)
