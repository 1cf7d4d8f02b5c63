"""New pieces on disk until the transaction that puts them into a table: a million have no room in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from minilm._arrays import Float32Array
from minilm.corpus.formats.columns import Arrow, UnkeptColumnError, conformed
from minilm.documents.metadata import as_kept, unkept
from minilm.documents.table import OWN_COLUMNS, import_for_index

if TYPE_CHECKING:
    from typing_extensions import Self


class Spool:
    """Files of Arrow in a folder: a new one where a window has other metadata columns than the one before.

    Use it in a ``with`` statement, which closes the last file.

    Parameters
    ----------
    folder : Path
        An empty folder.
    schema : pyarrow.Schema
        Our own columns, as a table has them.
    """

    def __init__(self, folder: Path, schema: Arrow) -> None:
        self._folder = folder
        self._schema = schema
        self._files: list[Path] = []
        self._open: tuple[Arrow, Arrow, Arrow] | None = None  # the last file, its writer and its schema

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._close()
        except OSError:
            if error is None:  # else that one says more
                raise

    def _close(self) -> None:
        if self._open is not None:
            sink, writer, _ = self._open
            self._open = None
            with sink:  # which is closed on a full disk too
                writer.close()

    def add(self, rows: Sequence[dict[str, Any]], vectors: Float32Array, metadata: Arrow) -> None:
        """Write pieces, their vectors (pieces, E), and their documents' metadata: a row per piece."""
        arrow = import_for_index("pyarrow")
        own = {name: [row[name] for row in rows] for name in self._schema.names if name != "vector"}
        flat = arrow.array(vectors.reshape(-1))
        own["vector"] = arrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        pieces = arrow.table(own, schema=self._schema)
        for field, column in zip(metadata.schema, metadata.columns, strict=True):
            pieces = pieces.append_column(field, column)
        if self._open is None or not self._open[2].equals(pieces.schema):
            self._close()
            path = self._folder / f"{len(self._files)}.arrow"
            self._files.append(path)
            sink = arrow.OSFile(str(path), "wb")
            # a stream and not a file of Arrow: in a file, windows cannot have different dictionaries
            self._open = (sink, arrow.ipc.new_stream(sink, pieces.schema), pieces.schema)
        self._open[1].write_table(pieces)

    def read(self, schema: Arrow, place: str) -> Arrow:
        """Return all pieces by the schema of a table, from memory-mapped files.

        Raises
        ------
        CorpusError
            If a metadata column has values that do not fit the type of the table.
        """
        arrow = import_for_index("pyarrow")
        self._close()
        tables = []
        for path in self._files:
            pieces = arrow.ipc.open_stream(arrow.memory_map(str(path))).read_all()
            for position, field in enumerate(pieces.schema):
                pieces = pieces.set_column(position, field, _aligned(pieces.column(position)))
            # a column that had only nulls is no column of the table yet
            pieces = pieces.select([name for name in pieces.schema.names if name in schema.names])
            metadata = arrow.schema([field for field in schema if field.name not in OWN_COLUMNS])
            try:
                tables.append(conformed(as_kept(pieces, metadata, place), schema))
            except UnkeptColumnError as error:
                raise unkept(place, error) from None
        return arrow.concat_tables(tables) if tables else schema.empty_table()


def _aligned(column: Arrow) -> Arrow:
    """Return a column of a mapped stream, with decimal numbers copied to where LanceDB can read them.

    It panics unless they lie at multiples of 16 bytes, and a stream has them at those of 8. Of the options of
    pyarrow 23 and 26, DataTypeSpecific does not mend that, and At64Byte copies all columns.
    """
    if "decimal" not in str(column.type):
        return column
    arrow = import_for_index("pyarrow")
    copies = [arrow.concat_arrays([chunk, chunk.slice(0, 0)]) for chunk in column.chunks]
    return arrow.chunked_array(copies, column.type)
