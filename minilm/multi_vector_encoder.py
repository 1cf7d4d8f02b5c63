"""MultiVectorEncoder: a vector for each token, and a score that finds for each word of a query its match.

Query and document are encoded apart, and their vectors compared one by one: late interaction (Khattab and
Zaharia 2020, "ColBERT", https://arxiv.org/abs/2004.12832, section 3). The score is MaxSim,
:func:`minilm.util.maxsim`. Checkpoints are those that sentence-transformers' MultiVectorEncoder saves.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minilm._arguments import (
    by_place,
    check_call,
    constructor_options,
    encode_others,
    unexpected_argument,
    unknown_name,
)
from minilm._arrays import Parameters, as_tensor
from minilm._loading import load, make_engine, read_multi_vector_encoder
from minilm._options import PipelineOptions
from minilm._pipeline import DOCUMENT_PROMPTS, QUERY_PROMPTS, Counts, Pipeline
from minilm.checkpoint.weights import load_parameters
from minilm.errors import TruncationWarning, warn_caller
from minilm.fast.expanding import ExpandingEngine, QueryExpansion
from minilm.heads import TokenHead
from minilm.pooling import normalize
from minilm.similarity import TOKEN_SIMILARITY, maxsim, maxsim_pairwise
from minilm.text.inputs import as_texts, check_text
from minilm.tokenizer import Tokenizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from minilm._arguments import TorchOnly

# the arguments of encode after its inputs, by place
_PLACES = (
    *("prompt_name", "prompt", "batch_size", "show_progress_bar", "output_value", "convert_to_numpy"),
    *("device", "normalize_embeddings", "pool", "chunk_size", "token_pooling", "task"),
)
_TASKS = ("query", "document")


class MultiVectorEncoder(PipelineOptions):
    """A ColBERT model: a text to a vector for each of its tokens.

    Parameters
    ----------
    model_name_or_path : str or PathLike
        A directory with a checkpoint of sentence-transformers' MultiVectorEncoder, or its name on the Hugging
        Face Hub.
    similarity_fn_name : str, optional
        What :meth:`similarity` computes, "maxsim" or "meanmaxsim". None is as the checkpoint says, and
        "maxsim" if it says nothing.
    prompts, default_prompt_name, revision, cache_folder, local_files_only, token, threads, **torch_only
        As for :class:`minilm.MiniLM`.

    Raises
    ------
    CheckpointNotFoundError, CheckpointError, ValueError
        As for :class:`minilm.MiniLM`.
    """

    head: TokenHead

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str],
        *,
        similarity_fn_name: str | None = None,
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
            read_multi_vector_encoder,
            revision=revision,
            cache_folder=cache_folder,
            local_files_only=local_files_only,
            token=token,
        )
        self.config, parameters, tokenizer, self.head = parts[:4]
        self._lengths, self._expansion, self._weights = parts.lengths, parts.expansion, parts.weights
        self._tokenizers: dict[tuple[int, str], Tokenizer] = {}
        engine = make_engine(self.checkpoint, parameters, threads)
        self.pipeline = Pipeline(tokenizer, engine, parts.prompts.prompts, parts.prompts.default_prompt_name)
        self.pipeline.update_prompts(prompts, default_prompt_name)
        self.similarity_fn_name = similarity_fn_name or parts.prompts.similarity_fn_name
        if max_seq_length is not None:
            self.max_seq_length = max_seq_length

    def __repr__(self) -> str:
        width = self.head.width
        return f"MultiVectorEncoder({str(self.checkpoint.directory)!r}: {width} components per token)"

    def encode(
        self,
        inputs: str | Iterable[Any] | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: str = "token_embeddings",
        convert_to_numpy: bool = True,
        device: object = None,
        normalize_embeddings: bool = False,
        pool: Mapping[str, Any] | None = None,
        chunk_size: int | None = None,
        token_pooling: None = None,
        task: str | None = None,
        **others: Any,  # noqa: ANN401 - checked by name
    ) -> Any:  # noqa: ANN401 - as the arguments say
        """Token vectors of one text or of many.

        :meth:`encode_query` and :meth:`encode_document` choose ``task`` and the prompt.

        Parameters
        ----------
        inputs : str or iterable of n str
            As for :meth:`minilm.MiniLM.encode`, and so are the next four, device, pool and chunk_size. Pairs
            are refused.
        output_value : str
            "token_embeddings" only.
        convert_to_numpy : bool
            False gives tensors of torch, which must be installed.
        normalize_embeddings : bool
            Scale each vector to length 1, whether or not the checkpoint says so.
        token_pooling : None
            Refused: pool the result.
        task : str, optional
            A "query" is cut at :attr:`query_length`, and filled up as :attr:`query_expansion` says. A
            "document" is cut at :attr:`document_length`, and what the checkpoint leaves out, mostly
            punctuation, has no vectors. Without a task, a text is a document cut at ``max_seq_length``.

        Returns
        -------
        ndarray of float32, shape (tokens, width), for a single str, else a list of n of them
            ``tokens`` counts special tokens and those of the prompt, too.

        Raises
        ------
        ValueError
            If an argument has a value that minilm does not compute.
        """
        inputs = encode_others(inputs, others) if others else inputs
        check_call(device, pool, chunk_size)
        if output_value != "token_embeddings":
            raise ValueError(f"output_value must be 'token_embeddings', not {output_value!r}")
        if token_pooling is not None:
            raise ValueError(
                f"token_pooling={token_pooling!r:.80} is not supported: pool what encode returns"
            )
        if task not in (None, *_TASKS):
            raise unknown_name("task", task, _TASKS)
        texts, is_single = ([inputs], True) if isinstance(inputs, str) else as_texts(inputs)
        pipeline, counts = self._pipeline_for(task), Counts()
        run = pipeline.run(
            texts,
            self.head.vectors,
            counts=counts,
            prompt_text=self.pipeline.prompt_text(prompt, prompt_name),
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
        )
        rows: list[Any] = []
        for tokenized, window in run:
            for ids, vectors in zip(tokenized.input_ids, window, strict=True):
                filled = self._expansion.fill(ids) if self._expansion and task == "query" else ids
                rows.append(vectors[self.head.counted(filled, task)])
        if counts.truncated:
            warn_caller(pipeline.truncation_message(counts), TruncationWarning)
        rows = [normalize(vectors) for vectors in rows] if normalize_embeddings else rows
        rows = rows if convert_to_numpy else [as_tensor(vectors) for vectors in rows]
        return rows[0] if is_single else rows

    def encode_query(self, inputs: Any, *places: Any, **options: Any) -> Any:  # noqa: ANN401 - as encode
        """Like :meth:`encode` for the task "query", with the prompt "query", unless a prompt is given."""
        return self._encode_for("query", QUERY_PROMPTS, inputs, places, options)

    def encode_document(self, inputs: Any, *places: Any, **options: Any) -> Any:  # noqa: ANN401 - as encode
        """Like :meth:`encode` for the task "document", with the prompt "document", unless one is given."""
        return self._encode_for("document", DOCUMENT_PROMPTS, inputs, places, options)

    def _encode_for(
        self,
        task: str,
        names: Sequence[str],
        inputs: Any,  # noqa: ANN401 - as encode
        places: Sequence[Any],
        options: dict[str, Any],
    ) -> Any:  # noqa: ANN401 - as encode
        given = by_place(_PLACES[:-1], places, options) | options
        if "task" in given:
            raise unexpected_argument("task", ())
        self._choose_prompt(given, names)
        return self.encode(inputs, **given, task=task)

    def _pipeline_for(self, task: str | None) -> Pipeline:
        """The corridor of queries, of documents, or of texts without a task."""
        engine, expansion, length = self.pipeline.engine, None, None
        if task == "document":
            length = self._lengths.document
        elif task == "query":
            expansion = self._expansion
            length = expansion.length if expansion and expansion.is_fixed else self._lengths.query
        if expansion:
            engine = ExpandingEngine(
                engine.parameters,
                engine.threads,
                engine.path,
                expansion=expansion,
                config=self.config,
                textbook=lambda: self._textbook,
            )
        return _Texts(self._tokenizer_of(length), engine)

    def _tokenizer_of(self, length: int | None) -> Tokenizer:
        """The tokenizer, or one that keeps another number of tokens, which is made once."""
        if length in (None, self.max_seq_length):
            return self.tokenizer
        key = (length, self.tokenizer.truncation_side)
        if key not in self._tokenizers:
            self._tokenizers[key] = self.tokenizer.cutting_at(length)
        return self._tokenizers[key]

    @cached_property
    def _textbook(self) -> Parameters:
        """The parameters as ``encoder.py`` takes them; the table of words is in memory only once."""
        words = {"embeddings.word_embeddings.weight": self.pipeline.engine.parameters.word_embeddings}
        return load_parameters(self._weights, self.config) | words

    @property
    def query_length(self) -> int | None:
        """Tokens that are kept of a query; None is as :attr:`query_expansion` says, or ``max_seq_length``."""
        return self._lengths.query

    @property
    def document_length(self) -> int | None:
        """Tokens that are kept of a document; None is ``max_seq_length``."""
        return self._lengths.document

    @property
    def query_expansion(self) -> QueryExpansion | None:
        """How queries are filled up, mostly with ``[MASK]`` to 32 tokens; None if they are not."""
        return self._expansion

    def similarity(self, embeddings1: Any, embeddings2: Any, **options: Any) -> Any:  # noqa: ANN401
        """Score of each query with each document, by :attr:`similarity_fn_name`: (n, m) of float32.

        Parameters
        ----------
        embeddings1, embeddings2 : array_like of float, shape (tokens, width), or a sequence of them
            Vectors of n queries, and of m documents.
        **options
            ``a_mask``, ``b_mask``, ``chunk_elements`` and ``length_normalize`` of :func:`minilm.util.maxsim`.
        """
        return maxsim(embeddings1, embeddings2, **self._score_options(options))

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any, **options: Any) -> Any:  # noqa: ANN401
        """Scores (n,) of the query and the document at the same position: see :meth:`similarity`."""
        return maxsim_pairwise(embeddings1, embeddings2, **self._score_options(options))

    def _score_options(self, options: dict[str, Any]) -> dict[str, Any]:
        check_call(options.pop("device", None), None, None)
        for name in options:
            if name not in (known := ("a_mask", "b_mask", "chunk_elements", "length_normalize")):
                raise unexpected_argument(name, known)
        return {"length_normalize": TOKEN_SIMILARITY[self.similarity_fn_name], **options}

    @property
    def similarity_fn_name(self) -> str:
        """What :meth:`similarity` computes: "maxsim", or "meanmaxsim", its mean per token; may be set."""
        return self._similarity_fn_name

    @similarity_fn_name.setter
    def similarity_fn_name(self, value: str) -> None:
        if value not in TOKEN_SIMILARITY:
            raise unknown_name("similarity_fn_name", value, TOKEN_SIMILARITY)
        self._similarity_fn_name = value

    _similarity_fn_name: str
    _kind = "MultiVectorEncoder"

    def _settings(self) -> dict[str, Any]:
        return super()._settings() | {"similarity_fn_name": self.similarity_fn_name}

    def get_embedding_dimension(self) -> int:
        """Components of each token's vector."""
        return self.head.width

    get_sentence_embedding_dimension = get_embedding_dimension  # the former name


class _Texts(Pipeline):
    """A pipeline that takes no pairs: they have no place in a MultiVectorEncoder."""

    @staticmethod
    def checked(inputs: Iterable[Any]) -> Iterator[Any]:
        """Yield the inputs, if each of them is a text."""
        return (check_text(f"inputs[{index}]", text) for index, text in enumerate(inputs))
