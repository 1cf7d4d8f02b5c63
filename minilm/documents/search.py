"""Search a table of pieces: the nearest pieces, grouped by document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from minilm.cross_encoder import CrossEncoder
from minilm.documents.metadata import json_value
from minilm.documents.snippet import Snippet, snippets_of
from minilm.documents.table import (
    APPROXIMATE_ABOVE,
    Lance,
    TableRecipe,
    lance_errors,
    metadata_of,
    open_table,
    recipe_of,
)
from minilm.errors import import_extra, one_line
from minilm.model import MiniLM

_COLUMNS = ["document", "path", "piece", "start", "end", "line", "end_line", "heading", "text"]

# Pieces that are looked at per piece that is returned, by a reranker or behind an approximate index
CANDIDATES = 5


class PieceHit(NamedTuple):
    """A piece that was found, and its place in the document."""

    score: float  # cosine with the query; of a hybrid search its reciprocal ranks, of a reranker its score
    piece: int
    start: int
    end: int
    line: int | None  # None if the text has no lines of a file: HTML, PDF, a row of a table
    end_line: int | None
    heading: str
    text: str
    snippet: Snippet


class DocumentHit(NamedTuple):
    """A document that was found, with the pieces of it that were, the best first."""

    document: str
    path: str
    score: float  # of its best piece
    metadata: dict[str, Any]  # of a row of a table: its other columns, without nulls
    pieces: list[PieceHit]


def search_table(
    place: str,
    query: str,
    model: MiniLM,
    k: int,
    *,
    where: str | None = None,
    hybrid: bool = False,
    reranker: CrossEncoder | None = None,
) -> list[DocumentHit]:
    """Return the best ``k`` pieces of a table, grouped by document; see ``Documents.search``."""
    if reranker is not None and reranker.num_labels != 1:
        raise ValueError(f"reranker must have one label, and {reranker!r} has {reranker.num_labels}")
    table = open_table(place)
    made_with = recipe_of(table, place)
    made_with.check_model(TableRecipe.of(model, made_with.tokens, made_with.overlap), place)
    metadata = metadata_of(table).names
    vector = model.encode_query(query).tolist()
    with lance_errors(place):
        search = _hybrid_search(table, query, vector) if hybrid else _vector_search(table, vector, metadata)
        if table.count_rows() <= APPROXIMATE_ABOVE:  # a table that was larger has its index still
            search = search.bypass_vector_index()
        search = search.limit(k if reranker is None else k * CANDIDATES)
        rows = _rows_found(search if where is None else search.where(where, prefilter=True), where)
    scores = [row["_relevance_score"] if hybrid else 1 - row["_distance"] for row in rows]
    if reranker is not None and rows:
        scores = reranker.predict([(query, row["text"]) for row in rows]).tolist()
        order = sorted(range(len(rows)), key=lambda i: -scores[i])[:k]
        rows, scores = [rows[i] for i in order], [scores[i] for i in order]
    snippets = snippets_of(query, [row["text"] for row in rows], model)
    return _grouped(rows, scores, snippets, metadata)


def _vector_search(table: Lance, vector: Sequence[float], metadata: Sequence[str]) -> Lance:
    search = table.search(vector, vector_column_name="vector").distance_type("cosine")
    # of an approximate index, more candidates are compared by their whole vectors
    return search.refine_factor(CANDIDATES).select([*_COLUMNS, *metadata, "_distance"])


def _hybrid_search(table: Lance, query: str, vector: Sequence[float]) -> Lance:
    """Join the nearest pieces and those with the words of the query by their reciprocal ranks."""
    rerankers = import_extra("lancedb.rerankers", feature="a hybrid search", extra="index")
    search = table.search(query_type="hybrid", vector_column_name="vector", fts_columns="text")
    return search.vector(vector).text(query).distance_type("cosine").rerank(rerankers.RRFReranker())


def _rows_found(search: Lance, where: str | None) -> list[dict[str, Any]]:
    """Return the rows that a search gives."""
    try:
        rows: list[dict[str, Any]] = search.to_list()
    except ValueError as error:
        if where is None:
            raise
        raise ValueError(f"where {where!r} is not understood: {one_line(error)}") from None
    return rows


def _grouped(
    rows: Sequence[dict[str, Any]],
    scores: Sequence[float],
    snippets: Sequence[Snippet],
    metadata: Sequence[str],
) -> list[DocumentHit]:
    """Group rows by document, in the order in which they come."""
    hits: dict[str, DocumentHit] = {}
    for row, score, snippet in zip(rows, scores, snippets, strict=True):
        own = {name: row[name] for name in PieceHit._fields if name not in ("score", "snippet")}
        piece = PieceHit(score=score, **own, snippet=snippet)
        if (document := row["document"]) not in hits:
            known = {name: row[name] for name in metadata if row[name] is not None}
            hits[document] = DocumentHit(document, row["path"], score, known, [])
        hits[document].pieces.append(piece)
    return list(hits.values())


def hit_fields(hit: DocumentHit) -> dict[str, Any]:
    """Return a document that was found as JSON has it: docs/documents.md describes the fields."""
    pieces = []
    for piece in hit.pieces:
        snippet = {"text": piece.snippet.text, "marks": [list(mark) for mark in piece.snippet.marks]}
        pieces.append({**piece._asdict(), "snippet": snippet})
    return {**hit._asdict(), "metadata": json_value(hit.metadata), "pieces": pieces}
