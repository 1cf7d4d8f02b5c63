"""SparseEncoder: a weight for each word of the vocabulary, and most of them 0.

A sparse vector says which words a text is about, also words that it does not have. It fits an inverted index,
the one of a search engine for words. Its checkpoints are SPLADE models, such as
naver/splade-cocondenser-ensembledistil (Formal et al. 2021, "SPLADE v2", https://arxiv.org/abs/2109.10086).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minilm._arguments import (
    by_place,
    check_call,
    constructor_options,
    encode_others,
    positive_int,
)
from minilm._arrays import Float32Array, Float64Array, IntArray, as_array, no_float_errors
from minilm._loading import load, make_engine, read_sparse_encoder
from minilm._options import PipelineOptions
from minilm._pipeline import DOCUMENT_PROMPTS, QUERY_PROMPTS, Counts, Pipeline
from minilm.errors import TruncationWarning, warn_caller
from minilm.heads import SpladeHead
from minilm.similarity import SIMILARITY, as_rows
from minilm.text.inputs import as_texts

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from minilm._arguments import TorchOnly


# the arguments of encode after its inputs, by place
_PLACES = (
    *("prompt_name", "prompt", "batch_size", "show_progress_bar"),
    *("convert_to_tensor", "convert_to_sparse_tensor", "save_to_cpu", "device", "max_active_dims"),
)


@dataclass(frozen=True, eq=False)
class SparseEmbeddings:
    """Sparse vectors, row by row: the arrays of ``scipy.sparse.csr_array((data, indices, indptr), shape)``.

    The weights of row i are ``data[indptr[i] : indptr[i + 1]]``, and their columns, which are token ids, are
    the same part of ``indices``, in ascending order. One vector alone, of shape (V,), is stored as one row.
    """

    data: Float32Array  # (weights,)
    indices: IntArray  # (weights,)
    indptr: IntArray  # (n + 1,)
    shape: tuple[int, ...]  # (n, V) or (V,)

    @property
    def ndim(self) -> int:
        """2, or 1 for one vector alone."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, row: int) -> SparseEmbeddings:
        """Return one row as a vector of shape (V,)."""
        if self.ndim == 1:
            raise IndexError("one vector has no rows: todict() gives its weights by token id")
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        start, stop = self.indptr[row % len(self) :][:2].tolist()
        part = slice(start, stop)
        ends = np.array([0, stop - start])
        return SparseEmbeddings(self.data[part], self.indices[part], ends, self.shape[1:])

    def __iter__(self) -> Iterator[SparseEmbeddings]:
        return (self[row] for row in range(len(self)))

    def todict(self) -> dict[int, float]:
        """Return the weights of one vector alone: token id to weight."""
        if self.ndim != 1:
            raise ValueError(f"todict() is for one vector, such as embeddings[0], not for {len(self)} rows")
        return dict(zip(self.indices.tolist(), self.data.tolist(), strict=True))

    def toarray(self) -> Float32Array:
        """Return the vectors with their zeros, in the same shape."""
        lengths = np.diff(self.indptr)
        dense = np.zeros((len(lengths), self.shape[-1]), np.float32)
        dense[np.repeat(np.arange(len(lengths)), lengths), self.indices] = self.data
        return dense.reshape(self.shape)


class SparseEncoder(PipelineOptions):
    """A SPLADE model: texts to sparse vectors over the vocabulary.

    Parameters
    ----------
    model_name_or_path : str or PathLike
        A directory with a SPLADE checkpoint or a model for masked words, or its name on the Hugging Face Hub.
    similarity_fn_name : str, optional
        What :meth:`similarity` computes; None is as the checkpoint says, or "dot".
    max_active_dims : int, optional
        Keep only this many weights per text, the largest; None is as the checkpoint says, or all.
    prompts, default_prompt_name, revision, cache_folder, local_files_only, token, threads, **torch_only
        As for :class:`minilm.MiniLM`.

    Raises
    ------
    CheckpointNotFoundError, CheckpointError, ValueError
        As for :class:`minilm.MiniLM`.
    """

    head: SpladeHead
    max_active_dims: int | None  # may be set

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str],
        *,
        similarity_fn_name: str | None = None,
        max_active_dims: int | None = None,
        prompts: Mapping[str, str | None] | None = None,
        default_prompt_name: str | None = None,
        revision: str | None = None,
        cache_folder: str | Path | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        threads: int | None = None,
        **torch_only: Unpack[TorchOnly],
    ) -> None:
        token, max_seq_length = constructor_options(torch_only, token, None)
        self.checkpoint, parts = load(
            model_name_or_path,
            read_sparse_encoder,
            revision=revision,
            cache_folder=cache_folder,
            local_files_only=local_files_only,
            token=token,
        )
        self.config, parameters, tokenizer, self.head = parts[:4]
        engine = make_engine(self.checkpoint, parameters, threads)
        self.pipeline = Pipeline(tokenizer, engine, parts.prompts.prompts, parts.prompts.default_prompt_name)
        self.pipeline.update_prompts(prompts, default_prompt_name)
        self.similarity_fn_name = similarity_fn_name or parts.prompts.similarity_fn_name
        most = parts.max_active_dims if max_active_dims is None else max_active_dims
        self.max_active_dims = None if most is None else positive_int("max_active_dims", most)
        if max_seq_length is not None:
            self.max_seq_length = max_seq_length

    def __repr__(self) -> str:
        return f"SparseEncoder({str(self.checkpoint.directory)!r}: {self.config.vocab_size} words)"

    def encode(
        self,
        inputs: str | Iterable[Any] | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        convert_to_tensor: bool = True,
        convert_to_sparse_tensor: bool = True,
        save_to_cpu: bool = False,  # noqa: ARG002 - what minilm makes is there
        device: object = None,
        max_active_dims: int | None = None,
        pool: Mapping[str, Any] | None = None,
        chunk_size: int | None = None,
        **others: Any,  # noqa: ANN401 - checked by name
    ) -> Any:  # noqa: ANN401 - as the arguments say
        """Sparse vectors of one text or of many.

        Parameters
        ----------
        inputs : str or iterable of n str
            As for :meth:`minilm.MiniLM.encode`, and so are the next four, device, pool and chunk_size.
        convert_to_tensor : bool
            False gives many texts a list of vectors of shape (V,), not a matrix.
        convert_to_sparse_tensor : bool
            False gives float32 arrays of the same shape, with the zeros.
        save_to_cpu : bool
            Either way the result is there.
        max_active_dims : int, optional
            Keep only this many weights per text, the largest, of equal ones those of the lower token ids.
            None is :attr:`max_active_dims`.

        Returns
        -------
        SparseEmbeddings of shape (V,) for a single str, else (n, V), or ndarray of float32; or a list of them
        """
        inputs = encode_others(inputs, others) if others else inputs
        check_call(device, pool, chunk_size)
        most = self.max_active_dims if max_active_dims is None else max_active_dims
        most = None if most is None else positive_int("max_active_dims", most)
        texts, is_single = ([inputs], True) if isinstance(inputs, str) else as_texts(inputs)
        counts = Counts()
        run = self.pipeline.run(
            texts,
            lambda states: self._rows(states, most),
            counts=counts,
            prompt_text=self.pipeline.prompt_text(prompt, prompt_name),
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
        )
        embeddings = _as_csr([row for _, window in run for row in window], self.config.vocab_size)
        if counts.truncated:
            warn_caller(self.pipeline.truncation_message(counts), TruncationWarning)
        rows = embeddings if convert_to_sparse_tensor else embeddings.toarray()
        if is_single:
            return rows[0]
        return rows if convert_to_tensor else list(rows)

    def encode_tokens(self, input_ids: Sequence[Sequence[int]]) -> list[Float64Array]:
        """Weights of texts that are token ids already: of each its columns and their values, (2, weights)."""
        return self.pipeline.run_tokens(input_ids, lambda states: self._rows(states, self.max_active_dims))

    def _rows(self, states: Float32Array, most: int | None) -> list[Float64Array]:
        return [_nonzero(weights, most) for weights in self.head.weights(states)]

    def encode_query(self, inputs: Any, *places: Any, **options: Any) -> Any:  # noqa: ANN401 - as encode
        """Like :meth:`encode`, with the prompt "query", unless a prompt is given."""
        return self._encode_for(QUERY_PROMPTS, inputs, places, options)

    def encode_document(self, inputs: Any, *places: Any, **options: Any) -> Any:  # noqa: ANN401 - as encode
        """Like :meth:`encode`, with the prompt "document", unless a prompt is given."""
        return self._encode_for(DOCUMENT_PROMPTS, inputs, places, options)

    def _encode_for(
        self,
        names: Sequence[str],
        inputs: Any,  # noqa: ANN401 - as encode
        places: Sequence[Any],
        options: dict[str, Any],
    ) -> Any:  # noqa: ANN401 - as encode
        given = by_place(_PLACES, places, options) | options
        self._choose_prompt(given, names)
        return self.encode(inputs, **given)

    @no_float_errors
    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:  # noqa: ANN401 - rows of numbers
        """Similarity of each vector with each, by :attr:`similarity_fn_name`: (n, m).

        Parameters
        ----------
        embeddings1, embeddings2 : SparseEmbeddings or array_like of float, shape (n, V)
        """
        return SIMILARITY[self.similarity_fn_name][0](*map(_dense, (embeddings1, embeddings2)))

    @no_float_errors
    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:  # noqa: ANN401 - rows of numbers
        """Similarities (n,) of the vectors at the same position: see :meth:`similarity`."""
        return SIMILARITY[self.similarity_fn_name][1](*map(_dense, (embeddings1, embeddings2)))

    @property
    def similarity_fn_name(self) -> str:
        """What :meth:`similarity` computes: "dot", "cosine", "euclidean" or "manhattan"; may be set."""
        return self._similarity_fn_name

    @similarity_fn_name.setter
    def similarity_fn_name(self, value: str) -> None:
        if value not in SIMILARITY:
            raise ValueError(f"similarity_fn_name must be one of {', '.join(SIMILARITY)}, not {value!r}")
        self._similarity_fn_name = value

    _similarity_fn_name: str
    _kind = "SparseEncoder"

    def _settings(self) -> dict[str, Any]:
        own = {"similarity_fn_name": self.similarity_fn_name, "max_active_dims": self.max_active_dims}
        return super()._settings() | own

    def decode(self, embeddings: Any, top_k: int | None = None) -> list[Any]:  # noqa: ANN401 - as above
        """The words of each vector with their weights, the largest first, and only ``top_k`` of them.

        A list of (word, weight) for each row; for one vector of shape (V,) one such list.
        """
        most = None if top_k is None else positive_int("top_k", top_k)
        token, sparse = self.tokenizer.backend.id_to_token, _sparse(embeddings)
        rows = [sparse] if sparse.ndim == 1 else sparse
        words = [
            [(token(column) or "", weight) for column, weight in _largest(row.todict())[:most]]
            for row in rows
        ]
        return words[0] if sparse.ndim == 1 else words

    @staticmethod
    def sparsity(embeddings: Any) -> dict[str, float]:  # noqa: ANN401 - as above
        """Return the mean number of weights per vector, and the mean share of zeros."""
        sparse = _sparse(embeddings)
        rows, columns = len(sparse.indptr) - 1, sparse.shape[-1]
        active = len(sparse.data) / rows if rows and columns else 0.0
        return {"active_dims": active, "sparsity_ratio": 1 - active / columns if columns else 1.0}

    def get_embedding_dimension(self) -> int:
        """Columns of a vector: the words of the vocabulary."""
        return self.config.vocab_size

    get_sentence_embedding_dimension = get_embedding_dimension  # the former name


def _nonzero(weights: Float32Array, most: int | None) -> Float64Array:
    """Columns and values of the weights (V,) that are not 0, of ``most`` the largest: shape (2, weights)."""
    columns = np.flatnonzero(weights)
    if most is not None and len(columns) > most:
        columns = np.sort(columns[np.argsort(-weights[columns], kind="stable")[:most]])
    return np.array([columns, weights[columns]], np.float64)  # which holds both exactly


def _as_csr(rows: Sequence[Any], columns: int) -> SparseEmbeddings:
    indptr = np.concatenate([[0], np.cumsum([row.shape[1] for row in rows], dtype=np.int64)])
    indices, data = np.concatenate([np.empty((2, 0)), *rows], axis=1)
    return SparseEmbeddings(
        data.astype(np.float32), indices.astype(np.int64), indptr.astype(np.int64), (len(rows), columns)
    )


def _largest(row: dict[int, float]) -> list[tuple[int, float]]:
    return sorted(row.items(), key=lambda item: -item[1])


def _dense(embeddings: Any) -> Any:  # noqa: ANN401 - rows of numbers
    return embeddings.toarray() if isinstance(embeddings, SparseEmbeddings) else embeddings


def _sparse(embeddings: Any) -> SparseEmbeddings:  # noqa: ANN401 - rows of numbers
    if isinstance(embeddings, SparseEmbeddings):
        return embeddings
    dense = as_array(embeddings)
    rows = as_rows(dense)
    sparse = _as_csr([_nonzero(row, None) for row in rows], rows.shape[1])
    return sparse[0] if dense.ndim == 1 else sparse
