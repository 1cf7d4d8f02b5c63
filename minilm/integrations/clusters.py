"""Ray Data, Dask and Spark: a function of a table with texts, which returns the table with their vectors."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from minilm._arrays import Float32Array
from minilm.fast.cores import ray_cores
from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import shared_model
from minilm.model import MiniLM
from minilm.pooling import Pooling

Table = TypeVar("Table")  # a mapping of arrays, a pandas.DataFrame or a pyarrow.Table


class Embedder:
    """A function of a table that a cluster can send to its machines.

    Only its parameters are sent. Each process that calls it loads the model once, from the cache of its own
    machine. Give Ray Data the class (``dataset.map_batches(Embedder)``), so that each actor makes an object
    as it starts. Give Dask and Spark an object.

    Parameters
    ----------
    model_name_or_path : str or PathLike
        A directory, which every machine must have, or a name on the Hub.
    column : str
        The column with the texts.
    to : str
        The column for the vectors.
    threads : int, optional
        Cores per call. None is the cores of the Ray actor; outside Ray it is 1, since schedulers run one
        call per core.
    prompt_name, batch_size, normalize_embeddings, truncate_dim, pooling
        As for :meth:`minilm.MiniLM.encode`. Memory depends on tokens, not on the rows of a table.
    """

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str] = DEFAULT_MODEL,
        *,
        column: str = "text",
        to: str = "embedding",
        threads: int | None = None,
        prompt_name: str | None = None,
        batch_size: int = 32,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        pooling: Pooling | Sequence[Pooling] | None = None,
    ) -> None:
        self._name = os.fspath(model_name_or_path)
        self._column = column
        self._to = to
        self._threads = threads
        self._options: dict[str, Any] = {
            "prompt_name": prompt_name,
            "batch_size": batch_size,
            "normalize_embeddings": normalize_embeddings,
            "truncate_dim": truncate_dim,
            "pooling": pooling,
        }
        self._model()  # a wrong name is an error here, and an actor is ready once its model is loaded

    def _model(self) -> MiniLM:
        return shared_model(self._name, self._threads or ray_cores() or 1)

    def __call__(self, table: Table) -> Table:
        """Return the table with its float32 vectors as one more column, or in place of the column ``to``.

        The vectors are an (n, E) array in a mapping of arrays, one array per row in a pandas.DataFrame, and
        lists of fixed size in a pyarrow.Table.

        Raises
        ------
        TypeError
            If a row of the column is not text, or the table is of another kind.
        ValueError
            If the table has no such column.
        """
        any_table: Any = table
        if hasattr(table, "append_column"):
            import pyarrow as pa

            names = any_table.column_names
            array = self._vectors(any_table, names)  # (n, E)
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(array.ravel()), array.shape[1])
            if self._to in names:
                return any_table.set_column(names.index(self._to), self._to, vectors)
            return any_table.append_column(self._to, vectors)
        if hasattr(table, "assign"):
            return any_table.assign(**{self._to: list(self._vectors(any_table, any_table.columns))})
        if isinstance(table, Mapping):
            return {**table, self._to: self._vectors(any_table, any_table)}  # type: ignore[return-value]
        kinds = "a mapping of arrays, a pandas.DataFrame or a pyarrow.Table"
        raise TypeError(f"a table must be {kinds}, not {type(table).__name__}")

    def _vectors(self, table: Any, names: Iterable[object]) -> Float32Array:  # noqa: ANN401 - of any kind
        if self._column not in names:
            raise ValueError(f"no column {self._column!r} among {', '.join(map(str, names))}")
        column = table[self._column]
        texts = column.to_pylist() if hasattr(column, "to_pylist") else column
        return self._model().encode(texts, show_progress_bar=False, **self._options)
