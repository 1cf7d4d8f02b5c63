"""CrossEncoder: a query and a document read together, and one number that says how well they match.

A cross-encoder sees both texts at once. So it judges better than the similarity of two embeddings, but it
must read every pair again. Use it for the few best hits of a search (BERT's paper, section 4,
https://arxiv.org/abs/1810.04805). One of its checkpoints is cross-encoder/ms-marco-MiniLM-L6-v2.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

import numpy as np

from minilm._arguments import (
    RENAMED,
    TorchOnlyCall,
    by_place,
    check_call,
    constructor_options,
    logger,
    renamed,
    unexpected_argument,
    whole_number,
    without_effect,
)
from minilm._arrays import Float32Array, as_tensors
from minilm._loading import load, make_engine, read_cross_encoder
from minilm._options import PipelineOptions
from minilm._pipeline import Counts, PairPipeline
from minilm.activations import softmax
from minilm.checkpoint.heads import activation_name
from minilm.errors import TruncationWarning, warn_caller
from minilm.fast.engine import TOKENS_PER_TEXT
from minilm.heads import ClassificationHead, activated, check_activation
from minilm.text.inputs import as_pairs, check_iterable, check_text

if TYPE_CHECKING:
    from typing_extensions import NotRequired, Unpack

    from minilm._arguments import TorchOnly

Activation = Callable[[Float32Array], Float32Array]
Pair = tuple[str, str] | list[str]

_POSITIONAL = ("num_labels", "max_length", "activation_fn", "device")
_FORMER_NAMES = [name for name in RENAMED if name not in ("sentences", "activation_fct")]

PACK_TOKENS = 32 * TOKENS_PER_TEXT  # each core encodes 32 pairs of 32 tokens at a time


class Ranked(TypedDict):
    """One document of a ranking; its text is there with ``return_documents``."""

    corpus_id: int
    score: float
    text: NotRequired[str]


class PredictOptions(TorchOnlyCall, total=False):
    """Further arguments of :meth:`CrossEncoder.predict`."""

    activation_fn: Activation | None
    apply_softmax: bool | None
    convert_to_numpy: bool
    convert_to_tensor: Literal[False]


class CrossEncoder(PipelineOptions):
    """A BERT classifier of pairs of texts.

    Parameters
    ----------
    model_name_or_path : str or PathLike
        A directory with a checkpoint of BertForSequenceClassification, or its name on the Hugging Face Hub.
    max_length : int, optional
        Tokens that are kept of a pair, special tokens included; None is as the checkpoint says. Later it is
        :attr:`max_seq_length`, and may be set.
    activation_fn : callable, optional
        Makes scores of logits, both (n, num_labels); a module of torch gets a tensor. None is as the
        checkpoint says. If it says nothing, it is the sigmoid for one label, and for several the logits
        themselves.
    prompts : mapping of str to str, optional
        Texts to put before the first text of a pair, by name, beside those of the checkpoint.
    default_prompt_name, revision, cache_folder, local_files_only, token, threads, **torch_only
        As for :class:`minilm.MiniLM`. ``num_labels`` must be that of the checkpoint.
    *positional
        ``num_labels``, ``max_length``, ``activation_fn`` and ``device``, which once had these places.

    Raises
    ------
    CheckpointNotFoundError, CheckpointError, ValueError
        As for :class:`minilm.MiniLM`.
    """

    head: ClassificationHead
    activation_fn: Activation | None  # makes scores of logits; may be set; None keeps the logits

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str] = "",
        *positional: Any,  # noqa: ANN401 - checked by name
        max_length: int | None = None,
        activation_fn: Activation | None = None,
        prompts: Mapping[str, str | None] | None = None,
        default_prompt_name: str | None = None,
        revision: str | None = None,
        cache_folder: str | Path | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        threads: int | None = None,
        **torch_only: Unpack[TorchOnly],
    ) -> None:
        named: dict[str, Any] = {**torch_only, **by_place(_POSITIONAL, positional, torch_only)}
        renamed(named, *_FORMER_NAMES)
        without_effect(named, "classifier_dropout")
        if positional:
            logger.warning("Only model_name_or_path has a place: pass num_labels, max_length ... by name.")
        model_name_or_path = named.pop("model_name_or_path", model_name_or_path)
        activation_fn = named.pop("activation_fn", activation_fn)
        cache_folder = named.pop("cache_folder", cache_folder)
        token, max_length = constructor_options(named, token, named.pop("max_length", max_length))
        self.checkpoint, parts = load(
            model_name_or_path,
            read_cross_encoder,
            revision=revision,
            cache_folder=cache_folder,
            local_files_only=local_files_only,
            token=token,
        )
        self.config, parameters, tokenizer, self.head = parts[:4]
        for labels in (named.get("num_labels"), (named.get("config_kwargs") or {}).get("num_labels")):
            if labels not in (None, self.num_labels):
                raise ValueError(f"num_labels={labels!r}: the checkpoint's classifier has {self.num_labels}")
        self._activation_of_files = parts.activation_fn
        self.activation_fn = parts.activation_fn if activation_fn is None else check_activation(activation_fn)
        engine = make_engine(self.checkpoint, parameters, threads)
        self.pipeline: PairPipeline = PairPipeline(
            tokenizer, engine, parts.prompts.prompts, parts.prompts.default_prompt_name
        )
        self.pipeline.update_prompts(prompts, default_prompt_name)
        if max_length is not None:
            self.tokenizer.max_seq_length = self._checked_length("max_length", max_length)

    @property
    def num_labels(self) -> int:
        """Logits per pair."""
        return len(self.head.bias)

    @property
    def max_length(self) -> int:
        """:attr:`max_seq_length`, by its former name; may be set."""
        return self.max_seq_length

    @max_length.setter
    def max_length(self, value: int) -> None:
        self.max_seq_length = self._checked_length("max_length", value)

    @property
    def default_activation_function(self) -> Activation | None:
        """:attr:`activation_fn`, by its former name."""
        return self.activation_fn

    def _settings(self) -> dict[str, Any]:
        if self.activation_fn is self._activation_of_files:
            return super()._settings()
        return super()._settings() | {"activation_fn": activation_name(self.activation_fn)}

    def __repr__(self) -> str:
        return f"CrossEncoder({str(self.checkpoint.directory)!r}: {self.num_labels} labels)"

    @property
    def _shortest_input(self) -> int:
        """Tokens of a pair whose texts have one token each."""
        return self.tokenizer.shortest_pair

    @overload
    def predict(
        self,
        inputs: Pair,
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        **options: Unpack[PredictOptions],
    ) -> np.float32 | Float32Array: ...
    @overload
    def predict(
        self,
        inputs: Iterable[Pair],
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        **options: Unpack[PredictOptions],
    ) -> Float32Array: ...
    @overload
    def predict(
        self,
        inputs: Iterable[Any],
        *,
        convert_to_tensor: Literal[True],
        **options: Any,  # noqa: ANN401 - as below
    ) -> Any: ...  # noqa: ANN401 - a tensor of torch
    def predict(
        self,
        inputs: Any = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Activation | None = None,
        apply_softmax: bool | None = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: object = None,
        pool: Mapping[str, Any] | None = None,
        chunk_size: int | None = None,
        **others: Any,
    ) -> Any:
        """Scores of pairs of texts.

        Parameters
        ----------
        inputs : iterable of n pairs of str, or one pair
            Also an array (n, 2). A pair is cut at ``max_seq_length`` tokens, the longer text first.
        prompt_name, prompt : str, optional
            A text to put before the first text of every pair: by its name in :attr:`prompts`, or itself.
        activation_fn : callable, optional
            Makes scores of logits, both (n, num_labels); None is the model's own. It is called once, with the
            logits of all pairs, and not once per batch.
        apply_softmax : bool
            Make the scores of several labels sum to 1.
        batch_size, show_progress_bar, convert_to_numpy, convert_to_tensor, device, pool, chunk_size
            As for :meth:`minilm.MiniLM.encode`.
        **others
            The former names ``sentences`` and ``activation_fct``; ``num_workers``, which has no effect.

        Returns
        -------
        ndarray of float32, shape (n,) for one label, else (n, num_labels); without n for one pair

        Raises
        ------
        TypeError
            If an input is not a pair of texts; the message names its index.
        ValueError
            If an option has a value that is not possible, or a text has a lone surrogate.

        Warns
        -----
        TruncationWarning
            Once per call, if pairs were cut, with their number.
        """
        others = _checked_others("inputs", others, inputs=inputs, activation_fn=activation_fn)
        inputs, activation_fn = others["inputs"], others["activation_fn"]
        activation_fn = self.activation_fn if activation_fn is None else activation_fn
        check_call(device, pool, chunk_size)
        inputs = inputs.tolist() if isinstance(inputs, np.ndarray) else inputs
        is_single = self.is_singular_input(inputs)
        pairs = as_pairs([inputs] if is_single else inputs)
        counts = Counts()
        windows = self.pipeline.run(
            pairs,
            self.head.logits,
            counts=counts,
            prompt_text=self.pipeline.prompt_text(prompt, prompt_name),
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
        )
        none = np.empty((0, self.num_labels), np.float32)
        logits = np.concatenate([none, *(np.array(window) for _, window in windows)])  # (n, num_labels)
        if counts.truncated:
            warn_caller(self.pipeline.truncation_message(counts), TruncationWarning)
        scores = activated(activation_fn, logits)
        if scores.shape[:1] != logits.shape[:1]:
            raise ValueError(
                f"activation_fn returned an array of shape {scores.shape} for logits of shape {logits.shape}"
            )
        if self.num_labels == 1 and scores.ndim > 1:
            scores = scores[:, 0]
        if apply_softmax and scores.ndim > 1:
            scores = softmax(scores)
        results = scores[0] if is_single else scores
        return (
            results
            if convert_to_numpy and not convert_to_tensor
            else as_tensors(results, convert_to_tensor or is_single)
        )

    def rank(
        self,
        query: str | None = None,
        documents: Iterable[str] | None = None,
        top_k: int | None = None,
        return_documents: bool = False,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Activation | None = None,
        device: object = None,
        pool: Mapping[str, Any] | None = None,
        chunk_size: int | None = None,
        **others: Any,  # noqa: ANN401 - checked by name
    ) -> list[Ranked]:
        """Documents by how well they match a query.

        Parameters
        ----------
        query : str
        documents : iterable of n str
        top_k : int, optional
            Return only this many, the best; 0 returns none.
        return_documents : bool
            Return the texts as well.
        prompt_name, prompt, batch_size, show_progress_bar, activation_fn, device, pool, chunk_size, **others
            As for :meth:`predict`; ``convert_to_numpy``, ``convert_to_tensor`` and ``apply_softmax`` have no
            effect.

        Returns
        -------
        list of {"corpus_id": int, "score": float, "text": str}
            The best first, of equal scores the earlier document first; "text" with ``return_documents``.

        Raises
        ------
        TypeError
            If the query or a document is not a str; the message names the document's index.
        ValueError
            If the model has more than one label, or a text has a lone surrogate.
        """
        if self.num_labels != 1:
            labels = f"this one has {self.num_labels}"
            raise ValueError(f"rank needs a model with one label, and {labels}: use predict")
        top_k = None if top_k is None else whole_number("top_k", top_k)
        without_effect(others, "convert_to_numpy", "convert_to_tensor", "apply_softmax")
        activation_fn = _checked_others("query", others, activation_fn=activation_fn)["activation_fn"]
        query = check_text("query", query)
        texts = enumerate(check_iterable("documents", documents, "a sequence of str"))
        documents = [check_text(f"documents[{index}]", text) for index, text in texts]
        check_call(device, pool, chunk_size)
        pairs = [(query, document) for document in documents]
        scores = self.predict(
            pairs, prompt_name, prompt, batch_size, show_progress_bar, activation_fn=activation_fn
        )
        best = np.argsort(-scores, kind="stable")[:top_k].tolist()
        ranking: list[Ranked] = [{"corpus_id": index, "score": float(scores[index])} for index in best]
        if return_documents:
            for ranked in ranking:
                ranked["text"] = documents[ranked["corpus_id"]]
        return ranking

    def is_singular_input(self, inputs: object) -> bool:
        """Whether an input of :meth:`predict` is one pair."""
        if isinstance(inputs, np.ndarray):
            return inputs.size > 0 and inputs.ndim < 2
        is_list = isinstance(inputs, (list, tuple)) and len(inputs) > 0
        return is_list and not isinstance(inputs[0], (list, tuple))  # type: ignore[index]

    def _checked_inputs(self, inputs: Any) -> Iterable[Any]:  # noqa: ANN401 - whatever a caller gives
        return as_pairs([inputs] if self.is_singular_input(inputs) else inputs)

    def predict_tokens(
        self, input_ids: Sequence[Sequence[int]], token_type_ids: Sequence[Sequence[int]]
    ) -> Float32Array:
        """Logits (n, num_labels) of n pairs that are token ids already, as ``tokenizer.pairs`` gives them.

        A model without token types ignores them. Bad ids or types raise ValueError.
        """
        self.pipeline.check_token_ids(input_ids)
        self.pipeline.check_token_types(input_ids, token_type_ids)
        if not len(input_ids):
            return np.empty((0, self.num_labels), np.float32)
        types = token_type_ids if self.tokenizer.has_token_types else None
        logits = self.pipeline.engine.run(
            input_ids, self.head.logits, pack_tokens=PACK_TOKENS, token_type_ids=types
        )
        return np.stack(logits)


def _checked_others(first: str, others: dict[str, Any], **given: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the arguments that may have come under their former names, and refuse any unknown one."""
    renamed(others, "sentences", "activation_fct")
    without_effect(others, "num_workers")
    if others.pop("processing_kwargs", None):
        raise ValueError("processing_kwargs is not supported: set max_seq_length to cut pairs")
    for name in others:
        if name not in given:
            raise unexpected_argument(name, (first, "prompt_name", "prompt", "batch_size", *given))
        if name == "inputs" and given[name] is not None:
            raise TypeError("inputs is given twice, once by its former name")
    return {name: others.get(name) if value is None else value for name, value in given.items()}
