"""The types of the kept columns, as far as Parquet inputs tell them before a text is encoded."""

from __future__ import annotations

from collections.abc import Iterator

from minilm.corpus.formats.columns import Arrow, conformed, import_arrow, unified
from minilm.corpus.formats.input_file import InputFile
from minilm.corpus.formats.json_values import check_json_types
from minilm.corpus.formats.parquet import kept_batches, kept_schema
from minilm.corpus.formats.row import TextColumn
from minilm.corpus.paths import STDIN
from minilm.corpus.rows import Corpus


def known_schema(corpus: Corpus, column: str) -> Arrow:
    """Return the kept columns that are known before a row is read, beside the texts' ``column``.

    Their types are those that all Parquet inputs share. Columns that ``corpus`` names come first.

    Raises
    ------
    CorpusError
        If two files have types of which none holds the values of both, or a value does not fit.
    """
    arrow, schemas = import_arrow(), list(_schemas(corpus))
    names = () if isinstance(corpus.keep, bool) else corpus.keep
    common = arrow.schema([(name, arrow.null()) for name in names if name != column])
    if schemas and not names:
        common = schemas[0][1]  # as it is, with what may not be null
    for source, schema in schemas:
        common = unified(common, schema, source.path)
    for source, schema in schemas:
        other = [field.name for field in schema if field.type != common.field(field.name).type]
        for batch in kept_batches(source, other) if other else ():
            conformed(arrow.Table.from_batches([batch]), arrow.schema(map(common.field, other)))
    return common


def check_json_columns(corpus: Corpus) -> None:
    """Raise a CorpusError if a kept column of a Parquet input has a type that JSON does not have."""
    for _, schema in _schemas(corpus):
        check_json_types(schema)


def _schemas(corpus: Corpus) -> Iterator[tuple[InputFile, Arrow]]:
    """Iterate over the Parquet inputs and the types of their kept columns."""
    if not corpus.keep or "parquet" not in corpus.formats:
        return
    column = TextColumn(None if STDIN in corpus.paths else corpus.find_column(), keep=corpus.keep)
    for number, kind in enumerate(corpus.formats):
        if kind == "parquet":
            source = corpus.source(number)
            yield source, kept_schema(source, column)
