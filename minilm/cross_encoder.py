"""CrossEncoder: a query and a document read together, and one number that says how well they match.

A cross-encoder sees both texts at once. So it judges better than the similarity of two embeddings, but it
must read every pair again. Use it for the few best hits of a search ([1]_, section 4). One of its checkpoints
is cross-encoder/ms-marco-MiniLM-L6-v2.

References
----------
.. [1] Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language
   Understanding", https://arxiv.org/abs/1810.04805
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, overload

import numpy as np

from minilm._arguments import TorchOnlyCall, positive_int, refuse_tensors, refuse_torch_only
from minilm._arrays import Float32Array
from minilm._loading import load, read_cross_encoder
from minilm._options import PipelineOptions
from minilm._pipeline import Counts, PairPipeline
from minilm.encoder import softmax
from minilm.errors import TruncationWarning
from minilm.fast.cores import available_cores
from minilm.fast.engine import TOKENS_PER_TEXT, Engine
from minilm.text.inputs import check_iterable, check_text

if TYPE_CHECKING:
    from typing_extensions import NotRequired, Unpack

    from minilm._arguments import TorchOnly

Activation = Callable[[Float32Array], Float32Array]
Pair = tuple[str, str] | list[str]

PACK_TOKENS = 32 * TOKENS_PER_TEXT  # each core encodes 32 pairs of 32 tokens at a time


class Ranked(TypedDict):
    """One document of a ranking; its text is there with ``return_documents``."""

    corpus_id: int
    score: float
    text: NotRequired[str]


class PredictOptions(TorchOnlyCall, total=False):
    """Further arguments of :meth:`CrossEncoder.predict`."""

    activation_fn: Activation | None
    apply_softmax: bool


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
        Makes scores of logits, both (n, num_labels). None is as the checkpoint says. If it says nothing, it
        is the sigmoid for one label, and for several the logits themselves.
    prompts : mapping of str to str, optional
        Texts to put before the first text of a pair, by name, beside those of the checkpoint.
    default_prompt_name, revision, cache_folder, local_files_only, token, threads, **torch_only
        As for :class:`minilm.MiniLM`.

    Attributes
    ----------
    num_labels : int
        Logits per pair.

    Raises
    ------
    CheckpointNotFoundError, CheckpointError, ValueError
        As for :class:`minilm.MiniLM`.
    """

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str],
        *,
        max_length: int | None = None,
        activation_fn: Activation | None = None,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
        revision: str | None = None,
        cache_folder: str | Path | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        threads: int | None = None,
        **torch_only: Unpack[TorchOnly],
    ) -> None:
        refuse_torch_only(**torch_only)
        self.checkpoint, settings, parts = load(
            model_name_or_path,
            read_cross_encoder,
            revision=revision,
            cache_folder=cache_folder,
            local_files_only=local_files_only,
            token=token,
        )
        self.config, parameters, tokenizer, self.head = parts[:4]
        self.num_labels = len(self.head.bias)
        self.activation_fn = _numpy_only(activation_fn) or parts.activation_fn
        cores = available_cores() if threads is None else positive_int("threads", threads)
        engine = Engine(parameters, cores, self.checkpoint.directory / "model.safetensors")
        self.pipeline: PairPipeline = PairPipeline(
            tokenizer, engine, settings.prompts, settings.default_prompt_name, parts.has_token_types
        )
        self.pipeline.update_prompts(prompts, default_prompt_name)
        if max_length is not None:
            self.tokenizer.max_seq_length = self._checked_length("max_length", max_length)

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
    def predict(
        self,
        inputs: Iterable[Pair] | Pair,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Activation | None = None,
        apply_softmax: bool = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: str | None = None,
        pool: None = None,
        chunk_size: None = None,
    ) -> np.float32 | Float32Array:
        """Scores of pairs of texts.

        Parameters
        ----------
        inputs : iterable of n pairs of str, or one pair
            A pair is cut at ``max_seq_length`` tokens, the longer text first.
        prompt_name, prompt : str, optional
            A text to put before the first text of every pair: by its name in :attr:`prompts`, or itself.
        activation_fn : callable, optional
            Makes scores of logits, both (n, num_labels); None is the model's own.
        apply_softmax : bool
            Make the scores of several labels sum to 1.
        batch_size, show_progress_bar, convert_to_numpy, convert_to_tensor, device, pool, chunk_size
            As for :meth:`minilm.MiniLM.encode`.

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
        refuse_tensors(convert_to_numpy, convert_to_tensor, device, pool, chunk_size)
        activation_fn = _numpy_only(activation_fn) or self.activation_fn
        is_single = _is_pair(inputs)
        pairs = _as_pairs([inputs] if is_single else inputs)
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
            warnings.warn(self.pipeline.truncation_message(counts), TruncationWarning, stacklevel=2)
        scores = np.asarray(activation_fn(logits))
        if scores.shape[:1] != logits.shape[:1]:
            raise ValueError(
                f"activation_fn returned an array of shape {scores.shape} for logits of shape {logits.shape}"
            )
        if self.num_labels == 1 and scores.ndim > 1:
            scores = scores[:, 0]
        if apply_softmax and scores.ndim > 1:
            scores = softmax(scores)
        return scores[0] if is_single else scores

    def rank(
        self,
        query: str,
        documents: Iterable[str],
        top_k: int | None = None,
        return_documents: bool = False,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Activation | None = None,
        device: str | None = None,
        pool: None = None,
        chunk_size: None = None,
    ) -> list[Ranked]:
        """Documents by how well they match a query.

        Parameters
        ----------
        query : str
        documents : iterable of n str
        top_k : int, optional
            Return only this many, the best.
        return_documents : bool
            Return the texts as well.
        prompt_name, prompt, batch_size, show_progress_bar, activation_fn, device, pool, chunk_size
            As for :meth:`predict`.

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
        if top_k is not None:
            top_k = positive_int("top_k", top_k)
        query = check_text("query", query)
        texts = enumerate(check_iterable("documents", documents, "a sequence of str"))
        documents = [check_text(f"documents[{index}]", text) for index, text in texts]
        refuse_tensors(True, False, device, pool, chunk_size)
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

    def predict_tokens(
        self, input_ids: Sequence[Sequence[int]], token_type_ids: Sequence[Sequence[int]]
    ) -> Float32Array:
        """Logits (n, num_labels) of n pairs that are token ids already, as ``tokenizer.pairs`` gives them.

        A model that was trained without token types ignores them. Bad ids or types raise ValueError.
        """
        self.pipeline.check_token_ids(input_ids)
        self.pipeline.check_token_types(input_ids, token_type_ids)
        if not len(input_ids):
            return np.empty((0, self.num_labels), np.float32)
        types = token_type_ids if self.pipeline.has_token_types else None
        logits = self.pipeline.engine.run(
            input_ids, self.head.logits, pack_tokens=PACK_TOKENS, token_type_ids=types
        )
        return np.stack(logits)


def _as_pairs(inputs: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - whatever a caller gives
    pairs = []
    for index, pair in enumerate(check_iterable("inputs", inputs, "a pair of str or a sequence of them")):
        if not _is_pair(pair):
            raise TypeError(f"inputs[{index}] must be a pair of str, not {pair!r:.80}")
        first, second = (check_text(f"inputs[{index}][{side}]", text) for side, text in enumerate(pair))
        pairs.append((first, second))
    return pairs


def _is_pair(x: object) -> bool:
    return isinstance(x, (list, tuple)) and len(x) == 2 and all(isinstance(text, str) for text in x)


def _numpy_only(activation_fn: Activation | None) -> Activation | None:
    if type(activation_fn).__module__.partition(".")[0] == "torch":
        remedy = "give a function of a numpy array, such as minilm.activations.sigmoid"
        reason = f"it takes torch's tensors; {remedy}"
        raise ValueError(f"activation_fn={activation_fn!r} is not supported: {reason}")
    return activation_fn
