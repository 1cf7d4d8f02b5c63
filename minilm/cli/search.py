"""``minilm search``: the nearest rows of what ``minilm encode`` wrote, or pieces of ``minilm index``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minilm.cli.errors import Failure, UsageError, argument_errors, flag, option_errors
from minilm.cli.options import SOURCE, add_model_options, load_model, select, whole_number
from minilm.cli.terminal import is_coloured, printable, put, put_json, text_argument
from minilm.corpus.formats.input_file import ReadOtherwiseError
from minilm.corpus.formats.registry import input_format
from minilm.corpus.index import Index, IndexHit
from minilm.corpus.rows import Corpus
from minilm.cross_encoder import CrossEncoder
from minilm.documents.documents import Documents
from minilm.documents.search import DocumentHit, hit_fields
from minilm.documents.table import is_document_table, open_table, recipe_of
from minilm.hub import DEFAULT_MODEL, default_manifest, different_files, is_repository_name, sha256_of_files
from minilm.model import MiniLM


def add_search(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``minilm search``."""
    add = parser.add_argument
    add("index", metavar="INDEX", help="the output of minilm encode, or the table of minilm index")
    add("query", nargs="*", type=text_argument, metavar="QUERY", help="one or more texts to search for")
    add("--queries", metavar="FILE", help="read one query per line or row; - is stdin")
    add("--column", metavar="NAME", help='column of the queries (default: "text", or the only column)')
    most = "rows or pieces per query (default: %(default)s)"
    add("-k", type=whole_number, default=10, metavar="N", help=most)
    name = "column of the vectors (default: as minilm encode wrote it)"
    add("--embedding-column", metavar="NAME", help=name)
    multiplier = "score N times -k candidates exactly, if the vectors are quantized (default: 4)"
    add("--rescore-multiplier", type=whole_number, metavar="N", help=multiplier)
    add("--where", metavar="SQL", help="a condition on the pieces, such as \"path LIKE 'docs/%%'\"")
    add("--hybrid", action="store_true", help="look for the words of the query in the pieces as well")
    add("--rerank", metavar="MODEL", help="sort the pieces by this cross-encoder")
    add("--json", action="store_true", help="print one line of JSON per query, with all digits")
    add_model_options(parser)


def run_search(options: argparse.Namespace) -> None:
    """Run ``minilm search``."""
    if options.column is not None and options.queries is None:
        raise UsageError("--column is for --queries")
    queries = [*options.query, *_queries_of_file(options.queries, options.column)]
    if not queries:
        raise UsageError("no query: give one, or --queries FILE")
    for number, query in enumerate(queries, 1):
        if not query.strip():
            raise UsageError(f"Please enter text to search for: query {number} of {len(queries)} is blank.")
    if is_document_table(options.index):
        _search_documents(options, queries)
    else:
        _search_rows(options, queries)


def _search_rows(options: argparse.Namespace, queries: list[str]) -> None:
    """Search what ``minilm encode`` wrote."""
    for name in ("where", "hybrid", "rerank"):
        if getattr(options, name):
            raise UsageError(f"{flag(name)} is for the table of minilm index, and {options.index} is none")
    if "://" in options.index:
        raise UsageError(f"INDEX must be on this machine, and {options.index} is not: copy it first")
    path = Path(options.index).expanduser()
    if not path.name:
        raise UsageError(f"INDEX must name a file or folder, not {options.index!r}")
    index = Index(path, embedding_column=options.embedding_column)
    if not index.path.exists():
        raise Failure(f"{index.path}: No such file or directory")
    model = _model_that_made(index.made_with, str(index.path), options)
    model.normalize = index.made_with.get("normalize", model.normalize)
    pooling = index.made_with.get("pooling")
    if pooling == list(model.config.pooling):
        pooling = None
    names = {f"inputs[{number}]": f"query {number + 1}" for number in range(len(queries))}
    with argument_errors(Failure, {**names, "pooling": f"{index.path}: pooling"}):
        vectors = model.encode_query(queries, pooling=pooling)
    with option_errors("rescore_multiplier"):
        found = index.search(
            np.ascontiguousarray(vectors), options.k, rescore_multiplier=options.rescore_multiplier
        )
    for query, hits in zip(queries, found, strict=True):
        _put_hits(query, hits, as_json=options.json, is_only_query=len(queries) == 1)


def _search_documents(options: argparse.Namespace, queries: list[str]) -> None:
    """Search what ``minilm index`` wrote."""
    for name in ("embedding_column", "rescore_multiplier"):
        if getattr(options, name) is not None:
            raise UsageError(f"{flag(name)} is for the output of minilm encode, and {options.index} is none")
    place = Documents(options.index).db
    recipe = recipe_of(open_table(place), place)
    files = dict(recipe.files)
    sha256 = files.pop("model.safetensors", None)
    made_with = {"model": recipe.model, "revision": recipe.revision, "sha256": sha256, "files": files}
    with Documents(place, _model_that_made(made_with, place, options)) as documents:
        reranker = CrossEncoder(options.rerank, **select(options, *SOURCE[1:])) if options.rerank else None
        for query in queries:
            with argument_errors(UsageError, {"where": "--where", "reranker": "--rerank"}):
                hits = documents.search(
                    query, options.k, where=options.where, hybrid=options.hybrid, reranker=reranker
                )
            _put_documents(query, hits, as_json=options.json, is_only_query=len(queries) == 1)


def _put_documents(query: str, hits: list[DocumentHit], *, as_json: bool, is_only_query: bool) -> None:
    if as_json:
        put_json({"query": query, "hits": [hit_fields(hit) for hit in hits]})
        return
    if not is_only_query:
        put(f"# {printable(query)}")
    before, after = ("\x1b[1m", "\x1b[0m") if is_coloured() else ("**", "**")
    for hit in hits:
        for piece in hit.pieces:
            place = hit.path if piece.line is None else f"{hit.path}:{piece.line}"
            put(printable(f"{piece.score:.4f}  {place}  {piece.heading}".rstrip()))
            text = piece.snippet.text
            for start, end in reversed(piece.snippet.marks):
                text = f"{text[:start]}\0{text[start:end]}\0{text[end:]}"
            parts = [printable(part) for part in text.split("\0")]
            marked = (f"{before}{part}{after}" if place % 2 else part for place, part in enumerate(parts))
            put("        " + "".join(marked))


def _queries_of_file(path: str | None, column: str | None) -> list[str]:
    if path is None:
        return []
    queries: list[str] = []
    # a table or JSON is read as one: its lines would be queries, commas and all
    kind = input_format(path, otherwise="text")
    if column is not None and kind == "text":
        raise UsageError(f"--column is for a table, and {path} is read as plain text")
    try:
        for row in Corpus([path], column=column, format=kind):
            if row.text is None:
                raise Failure(f"{row.source}, line {row.line}: {row.problem}")
            queries.append(row.text)
    except ReadOtherwiseError as error:
        raise Failure(error.elsewhere()) from None
    return queries


def _model_that_made(made_with: Mapping[str, Any], place: str, options: argparse.Namespace) -> MiniLM:
    """Load the model that the options name, or else the one that made the index, if it is on this machine."""
    # An index may come from anyone: the model that it names is neither downloaded nor opened as a directory.
    name = made_with.get("model", DEFAULT_MODEL)
    revision = options.revision or made_with.get("revision")
    if options.model == DEFAULT_MODEL:
        if name != DEFAULT_MODEL and (not is_repository_name(name) or Path(name).exists()):
            raise UsageError(f"{place} was made with the checkpoint {name!r}: give --model, if it is yours")
        options.model, options.revision = name, revision
        if name != DEFAULT_MODEL or revision not in (None, default_manifest().revision):
            options.local_files_only = True
    model = load_model(options)
    files = sha256_of_files(model.checkpoint)
    if made_with.get("sha256") not in (None, files.pop("model.safetensors", "")):
        raise Failure(f"{place} was made with other weights than those of {options.model}")
    if "files" in made_with and different_files(files, made_with["files"]):
        what = "another tokenizer or configuration"
        raise Failure(f"{place} was made with {what} than {options.model} has")
    return model


def _put_hits(query: str, hits: list[IndexHit], *, as_json: bool, is_only_query: bool) -> None:
    if as_json:
        rows = [{name: value for name, value in hit._asdict().items() if value is not None} for hit in hits]
        put_json({"query": query, "hits": rows})
        return
    if not is_only_query:
        put(f"# {printable(query)}")
    for hit in hits:
        text = "" if hit.text is None else "  " + " ".join(hit.text.split())
        put(f"{hit.score:.4f}  {hit.row}{printable(text)}")
