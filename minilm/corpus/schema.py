"""The types of the kept columns, as far as the inputs tell them before a text is encoded."""

from __future__ import annotations

from collections.abc import Iterator

from minilm.corpus.formats.columns import Arrow, conformed, import_arrow, unified
from minilm.corpus.formats.json_values import check_json_types
from minilm.corpus.formats.parquet import kept_batches, kept_schema
from minilm.corpus.formats.registry import READERS
from minilm.corpus.formats.row import TextColumn, keep_names
from minilm.corpus.paths import STDIN
from minilm.corpus.rows import Corpus


def known_schema(corpus: Corpus, column: str) -> Arrow:
    """Return the kept columns that are known before a row is read, beside the texts' ``column``.

    Their types are those that all Parquet inputs share; cells of CSV are texts. Columns that ``corpus`` names
    come first.

    Raises
    ------
    CorpusError
        If two files have types of which none holds the values of both, or a value does not fit.
    """
    arrow, schemas = import_arrow(), list(_schemas(corpus))
    names = keep_names(corpus.keep)
    common = arrow.schema([(name, arrow.null()) for name in names if name != column])
    if schemas and not names:
        common = schemas[0][1]  # as it is, with what may not be null
    for number, schema in schemas:
        common = unified(common, schema, corpus.paths[number])
    for number, schema in schemas:
        widened = [field.name for field in schema if field.type != common.field(field.name).type]
        if widened and corpus.formats[number] == "parquet":  # texts fit any type of texts
            target = arrow.schema(map(common.field, widened))
            for batch in kept_batches(corpus.source(number), widened):
                conformed(arrow.Table.from_batches([batch]), target)
    return common


def check_json_columns(corpus: Corpus) -> None:
    """Raise a CorpusError if a kept column of an input has a type that JSON does not have."""
    if "parquet" in corpus.formats:
        for _, schema in _schemas(corpus):
            check_json_types(schema)


def _schemas(corpus: Corpus) -> Iterator[tuple[int, Arrow]]:
    """Iterate over the inputs that tell their columns first, by number, and the types of those to keep."""
    if not corpus.keep:
        return
    column = TextColumn(None if STDIN in corpus.paths else corpus.find_column(), keep=corpus.keep)
    for number, (path, kind) in enumerate(zip(corpus.paths, corpus.formats, strict=True)):
        if kind == "parquet":
            yield number, kept_schema(corpus.source(number), column)
        elif kind in ("csv", "tsv") and path != STDIN:
            next(READERS[kind](corpus.source(number), column), None)
            text = import_arrow().string()
            yield number, import_arrow().schema([(name, text) for name in column.kept(column.header)])
