"""Which format a file has, by its name, and the plain format of one text per line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from minilm._arrays import AnyArray
from minilm.corpus.formats import csv, json_array, json_lines, json_lines_index, npy, parquet, parquet_index
from minilm.corpus.formats.input_file import InputFile
from minilm.corpus.formats.row import Row, TextColumn, make_row
from minilm.corpus.paths import STDIN
from minilm.errors import CorpusError


def read_text(source: InputFile, column: TextColumn) -> Iterator[Row]:  # noqa: ARG001 - the readers' signature
    """Iterate over the lines of a file as rows. Only newlines end a line: other separators are text."""
    for line, content in enumerate(source.lines(), 1):
        if b"\0" in content:
            yield Row(None, "a NUL byte", source.name, line, {})
        else:
            text = content.removesuffix(b"\n").removesuffix(b"\r")
            yield make_row(text, source.name, line, {}, source.encoding)


READERS: dict[str, Callable[[InputFile, TextColumn], Iterator[Row]]] = {
    "text": read_text,
    "jsonl": json_lines.read_json_lines,
    "json": json_array.read_json_values,
    "csv": csv.read_csv,
    "tsv": partial(csv.read_csv, delimiter="\t"),
    "parquet": parquet.read_parquet,
}
FORMATS = tuple(READERS)
CUTTABLE = ("text", "jsonl")  # formats that can be cut at any newline; a cell of CSV may hold newlines
_SUFFIXES = {
    "text": ("", ".txt", ".text"),
    "jsonl": (".jsonl", ".ndjson"),
    "json": (".json",),
    "csv": (".csv",),
    "tsv": (".tsv", ".tab"),
    "parquet": (".parquet", ".pq"),
}
_BY_SUFFIX = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes}


VectorReader = Callable[[Path, int, str], Iterator[AnyArray]]
"""From a file, the rows of a block and the column of the vectors to blocks of vectors."""


class VectorFormat(NamedTuple):
    """How the vectors and the texts of an index are read."""

    make_reader: Callable[[], VectorReader]  # which may keep a file open from one search to the next
    texts: Callable[[Path, set[int], str | None], Mapping[int, str | None]]
    has_columns: bool = True


_NPY = VectorFormat(npy.NpyVectors, lambda *_: {}, has_columns=False)
_JSONL = VectorFormat(lambda: json_lines_index.json_lines_vectors, json_lines_index.json_lines_texts)
_PARQUET = VectorFormat(lambda: parquet_index.parquet_vectors, parquet_index.parquet_texts)
OUTPUTS = {".npy": _NPY, ".jsonl": _JSONL, ".ndjson": _JSONL, ".parquet": _PARQUET, ".pq": _PARQUET}


def input_format(path: str, *, otherwise: str | None = None) -> str:
    """Return the format of an input; if its name does not tell it, ``otherwise`` or a CorpusError."""
    if path == STDIN:
        return "text"
    suffix = PurePosixPath(InputFile(path).content_name()).suffix.lower()
    # where HTTP serves a page or a list of files, it has no suffix either
    if suffix in _BY_SUFFIX and (suffix or not path.startswith(("http://", "https://"))):
        return _BY_SUFFIX[suffix]
    if otherwise:
        return otherwise
    raise CorpusError(f"{path}: the name does not tell the format; --format {'|'.join(FORMATS)} does")


def vector_format(path: Path) -> VectorFormat:
    """Return how an index is read; a directory holds Parquet files."""
    if path.is_dir():
        return _PARQUET
    suffix = path.suffix.lower()
    if suffix not in OUTPUTS:
        raise CorpusError(f"an index ends in .parquet, .npy or .jsonl, not {path.name!r}")
    return OUTPUTS[suffix]
