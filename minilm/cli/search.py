"""``minilm search``: the nearest rows of what ``minilm encode`` wrote."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from minilm.cli.errors import Failure, UsageError, argument_errors, option_errors
from minilm.cli.options import add_model_options, load_model, whole_number
from minilm.cli.terminal import printable, put, put_json, text_argument
from minilm.corpus.formats.registry import input_format
from minilm.corpus.index import Index, IndexHit
from minilm.corpus.rows import Corpus
from minilm.hub import DEFAULT_MODEL, default_manifest, different_files, is_repository_name, sha256_of_files
from minilm.model import MiniLM


def add_search(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``minilm search``."""
    add = parser.add_argument
    add("index", metavar="INDEX", help="the output of minilm encode")
    add("query", nargs="*", type=text_argument, metavar="QUERY", help="one or more texts to search for")
    add("--queries", metavar="FILE", help="read one query per line or row; - is stdin")
    add("-k", type=whole_number, default=10, metavar="N", help="hits per query (default: %(default)s)")
    name = "column of the vectors (default: as minilm encode wrote it)"
    add("--embedding-column", metavar="NAME", help=name)
    multiplier = "score N times -k candidates exactly, if the vectors are quantized (default: 4)"
    add("--rescore-multiplier", type=whole_number, metavar="N", help=multiplier)
    add("--json", action="store_true", help="print one line of JSON per query, with all digits")
    add_model_options(parser)


def run_search(options: argparse.Namespace) -> None:
    """Run ``minilm search``."""
    queries = [*options.query, *_queries_of_file(options.queries)]
    if not queries:
        raise UsageError("no query: give one, or --queries FILE")
    if "://" in options.index:
        raise UsageError(f"INDEX must be on this machine, and {options.index} is not: copy it first")
    path = Path(options.index).expanduser()
    if not path.name:
        raise UsageError(f"INDEX must name a file or folder, not {options.index!r}")
    index = Index(path, embedding_column=options.embedding_column)
    if not index.path.exists():
        raise Failure(f"{index.path}: No such file or directory")
    model = _model_of_index(index, options)
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


def _queries_of_file(path: str | None) -> list[str]:
    queries: list[str] = []
    # a table or JSON is read as one: its lines would be queries, commas and all
    for row in () if path is None else Corpus([path], format=input_format(path, otherwise="text")):
        if row.text is None:
            raise Failure(f"{row.source}, line {row.line}: {row.problem}")
        queries.append(row.text)
    return queries


def _model_of_index(index: Index, options: argparse.Namespace) -> MiniLM:
    """Load the model that the options name, or else the one that made the index, if it is on this machine."""
    # An index may come from anyone: the model that it names is neither downloaded nor opened as a directory.
    name = index.made_with.get("model", DEFAULT_MODEL)
    revision = options.revision or index.made_with.get("revision")
    if options.model == DEFAULT_MODEL:
        if name != DEFAULT_MODEL and (not is_repository_name(name) or Path(name).exists()):
            raise UsageError(
                f"{index.path} was made with the checkpoint {name!r}: give --model, if it is yours"
            )
        options.model, options.revision = name, revision
        if name != DEFAULT_MODEL or revision not in (None, default_manifest().revision):
            options.local_files_only = True
    model = load_model(options)
    files = sha256_of_files(model.checkpoint)
    if index.made_with.get("sha256") not in (None, files.pop("model.safetensors", "")):
        raise Failure(f"{index.path} was made with other weights than those of {options.model}")
    if "files" in index.made_with and different_files(files, index.made_with["files"]):
        what = "another tokenizer or configuration"
        raise Failure(f"{index.path} was made with {what} than {options.model} has")
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
