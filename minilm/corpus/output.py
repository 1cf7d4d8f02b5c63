"""The writer for an output, whose suffix tells the format."""

from __future__ import annotations

from minilm.corpus.formats.json_lines import JsonLinesWriter
from minilm.corpus.formats.npy import NpyWriter
from minilm.corpus.formats.parquet_writer import ArrowTables, ParquetWriter
from minilm.corpus.formats.shard import GrowingFile
from minilm.corpus.manifest import JobOptions
from minilm.corpus.paths import PARQUET_SUFFIXES
from minilm.corpus.rows import Corpus
from minilm.corpus.schema import check_json_columns, known_schema
from minilm.corpus.workspace import JobWorkspace
from minilm.errors import CorpusError

ShardWriter = GrowingFile | ParquetWriter


def make_writer(
    workspace: JobWorkspace, corpus: Corpus, column: str, width: int, options: JobOptions
) -> ShardWriter:
    """Return the writer; raise a CorpusError if the kept columns cannot be written in its format."""
    suffix, folder = workspace.output.suffix, workspace.folder
    if suffix == ".npy":
        return NpyWriter(folder, width, options.dtype)
    if suffix in (".jsonl", ".ndjson"):
        check_json_columns(corpus)
        return JsonLinesWriter(folder, column, options.embedding_column)
    if suffix in PARQUET_SUFFIXES:
        known = known_schema(corpus, column)
        tables = ArrowTables(column, options.embedding_column, width, options.dtype, known)
        return ParquetWriter(folder, tables)
    raise CorpusError(f"the output must end in .parquet, .npy or .jsonl, not {workspace.output.name!r}")
