"""Which format a file has, by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from minilm._arrays import FloatArray
from minilm.corpus.formats.arrow import ArrowTables
from minilm.corpus.formats.csv import read_csv
from minilm.corpus.formats.input_file import STDIN, InputFile, compression_of
from minilm.corpus.formats.json_lines import (
    JsonLinesWriter,
    json_lines_texts,
    json_lines_vectors,
    read_json_lines,
)
from minilm.corpus.formats.npy import NpyWriter, npy_texts, npy_vectors
from minilm.corpus.formats.parquet import ParquetWriter, parquet_texts, parquet_vectors, read_parquet
from minilm.corpus.formats.row import Row, TextColumn
from minilm.corpus.formats.shard import ShardWriter
from minilm.corpus.formats.text import read_text
from minilm.errors import CorpusError

READERS: dict[str, Callable[[InputFile, TextColumn], Iterator[Row]]] = {
    "text": read_text,
    "jsonl": read_json_lines,
    "csv": read_csv,
    "tsv": partial(read_csv, delimiter="\t"),
    "parquet": read_parquet,
}
FORMATS = tuple(READERS)
CUTTABLE = ("text", "jsonl")  # formats that can be cut at any newline; a cell of CSV may hold newlines
_BY_SUFFIX = {
    "": "text",
    ".txt": "text",
    ".text": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
}


class VectorFormat(NamedTuple):
    """How the vectors and the texts of an index are read."""

    vectors: Callable[[Path, int], Iterator[FloatArray]]
    texts: Callable[[Path, set[int]], Mapping[int, str | None]]


_NPY = VectorFormat(npy_vectors, npy_texts)
_JSON_LINES = VectorFormat(json_lines_vectors, json_lines_texts)
_PARQUET = VectorFormat(parquet_vectors, parquet_texts)
_OUTPUTS = {
    ".npy": _NPY,
    ".jsonl": _JSON_LINES,
    ".ndjson": _JSON_LINES,
    ".parquet": _PARQUET,
    ".pq": _PARQUET,
}


def input_format(path: str) -> str:
    """Return the format of an input; raise a CorpusError if its name does not tell it."""
    if path == STDIN:
        return "text"
    name = Path(path)
    suffix = Path(name.stem).suffix if compression_of(path) else name.suffix
    if suffix.lower() not in _BY_SUFFIX:
        raise CorpusError(f"{path}: the name does not tell the format; --format {'|'.join(FORMATS)} does")
    return _BY_SUFFIX[suffix.lower()]


def vector_format(path: Path) -> VectorFormat:
    """Return how an index is read; a directory holds Parquet files."""
    if path.is_dir():
        return _PARQUET
    if path.suffix not in _OUTPUTS:
        raise CorpusError(f"an index ends in .parquet, .npy or .jsonl, not {path.name!r}")
    return _OUTPUTS[path.suffix]


def make_writer(
    output: Path, folder: Path, *, column: str, width: int, dtype: str, other_types: Mapping[str, Any]
) -> ShardWriter:
    """Return the writer for an output, whose suffix tells the format."""
    kind = _OUTPUTS.get(output.suffix)
    if kind is _NPY:
        return NpyWriter(folder, width, dtype)
    if kind is _JSON_LINES:
        return JsonLinesWriter(folder, column)
    if kind is _PARQUET:
        return ParquetWriter(folder, ArrowTables(column, width, dtype, other_types=other_types))
    raise CorpusError(f"the output must end in .parquet, .npy or .jsonl, not {output.name!r}")
