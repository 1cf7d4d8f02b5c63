"""Ray Data, Dask and Spark: a table with texts in, the same table with their vectors out."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from minilm.fast.cores import ray_cores
from minilm.hub import DEFAULT_MODEL
from minilm.model import MiniLM
from minilm.pooling import Pooling

Table = TypeVar("Table")  # a mapping of arrays, a pandas.DataFrame or a pyarrow.Table


class Embedder:
    """A function of a table, made so that a cluster can carry it about.

    It goes from machine to machine as its parameters; each process that calls it loads the model once, from
    its own machine's cache. Give Ray Data the class (``dataset.map_batches(Embedder)``), so that each actor
    makes one as it starts, and others an object of it.

    Parameters
    ----------
    model_name_or_path : str or PathLike
        A directory, which every machine must have, or a name on the Hub.
    column : str
        Where the texts are.
    to : str
        Where the vectors go.
    threads : int, optional
        Cores that a call uses. None is those of the Ray actor it is in; anywhere else 1, as schedulers run a
        call for each core.
    prompt_name, batch_size, normalize_embeddings, truncate_dim, pooling
        As for :meth:`minilm.MiniLM.encode`. The work is cut by tokens, however many rows a table has.
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
        self._model()  # a wrong name is told here, and an actor is not ready before its model is

    def _model(self) -> MiniLM:
        with _Loading.lock:  # lru_cache would let threads that come together each load one
            return _loaded(self._name, self._threads or ray_cores() or 1)

    def __call__(self, table: Table) -> Table:
        """The table with its float32 vectors (n, E) as one column more, or in place of the one of that name.

        Parameters
        ----------
        table : mapping of str to array, pandas.DataFrame or pyarrow.Table
            Of n rows.

        Returns
        -------
        The same kind of table
            The vectors are an (n, E) array in a mapping, an array a row in a DataFrame, and lists of fixed
            size in an Arrow table.

        Raises
        ------
        TypeError
            If a text is no text, or the table of another kind.
        ValueError
            If it has no such column.
        """
        made: Any = table
        if hasattr(table, "append_column"):
            texts = self._texts(made, made.column_names)
            vectors = _fixed_size_lists(self._encode(texts.to_pylist()))
            if self._to in made.column_names:
                return made.set_column(made.column_names.index(self._to), self._to, vectors)
            return made.append_column(self._to, vectors)
        if hasattr(table, "assign"):
            return made.assign(**{self._to: list(self._encode(self._texts(made, made.columns)))})
        if isinstance(table, Mapping):
            return {**table, self._to: self._encode(self._texts(made, made))}  # type: ignore[return-value]
        kinds = "a mapping of arrays, a pandas.DataFrame or a pyarrow.Table"
        raise TypeError(f"a table must be {kinds}, not {type(table).__name__}")

    def _texts(self, table: Any, names: Iterable[object]) -> Any:  # noqa: ANN401 - of any kind
        if self._column not in names:
            raise ValueError(f"no column {self._column!r} among {', '.join(map(str, names))}")
        return table[self._column]

    def _encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return self._model().encode(texts, show_progress_bar=False, **self._options)


def _fixed_size_lists(vectors: npt.NDArray[np.float32]) -> Any:  # noqa: ANN401 - pyarrow.Array
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])


class _Loading:
    """One thread at a time."""

    lock = threading.Lock()

    @classmethod
    def forget(cls) -> None:
        """In a forked child: the thread that held the lock is not there."""
        cls.lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_Loading.forget)


@lru_cache(maxsize=4)
def _loaded(name: str, threads: int) -> MiniLM:
    return MiniLM(name, threads=threads)
