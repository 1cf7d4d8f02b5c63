"""CrossEncoder: a query and a document read together, and one number that says how well they fit.

A cross-encoder sees both texts at once, so that it judges better than the distance of two embeddings, and has
to read every pair anew: it is for the few best hits of a search. [1]_, section 4; checkpoints such as
cross-encoder/ms-marco-MiniLM-L6-v2.

References
----------
.. [1] Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language
   Understanding", https://arxiv.org/abs/1810.04805
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt

from minilm._arguments import TorchOnly, positive_int, refuse_torch_only
from minilm._progress import progress_bar
from minilm.checkpoint.files import is_there, read_json, shown
from minilm.checkpoint.prompts import UseSettings
from minilm.checkpoint.weights import ParameterFile
from minilm.config import ModelConfig
from minilm.encoder import softmax
from minilm.errors import CheckpointError, TruncationWarning
from minilm.fast.blas import has_small_matrix_kernels
from minilm.fast.cores import available_cores
from minilm.fast.engine import TOKENS_PER_TEXT, Engine
from minilm.fast.packed import pack_parameters
from minilm.hub import Checkpoint, find_checkpoint
from minilm.text.inputs import check_text
from minilm.tokenizer import Tokenizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

Array = npt.NDArray[np.float32]
Activation = Callable[[Array], Array]
Pair = tuple[str, str] | list[str]

WINDOW = 4096  # pairs that are tokenized at a time


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), from the side on which exp cannot overflow."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1 / (1 + small), small / (1 + small)), x.dtype)


def identity(x: Array) -> Array:
    """The logits as they are."""
    return x


# By the last part of torch's name for them, "torch.nn.modules.activation.Sigmoid".
_ACTIVATIONS: dict[str, Activation] = {"Sigmoid": sigmoid, "Identity": identity, "Tanh": np.tanh}


class Ranked(TypedDict, total=False):
    """One document of a ranking; its text only if it was asked for."""

    corpus_id: int
    score: float
    text: str


class CrossEncoder:
    """A BERT classifier over pairs of texts.

    Parameters
    ----------
    model_name_or_path : str or PathLike
        A directory with a checkpoint of BertForSequenceClassification, or its name on the Hugging Face Hub.
    max_length : int, optional
        Tokens that are kept of a pair, special tokens included; None is as the checkpoint says.
    activation_fn : callable, optional
        What makes scores of logits, (n, num_labels) to the same; None is as the checkpoint says, and if it
        says nothing the sigmoid for one label, and for more the logits themselves.
    prompts : mapping of str to str, optional
        Texts to put before the first of a pair, by name, besides those of the checkpoint.
    default_prompt_name : str, optional
        The prompt to take when none is asked for; None is as the checkpoint says.
    revision, cache_folder, local_files_only, token, threads, device, **torch_only
        As for :class:`minilm.MiniLM`.

    Raises
    ------
    CheckpointNotFoundError
        If the checkpoint is nowhere to be had.
    CheckpointError
        If it is damaged or of a kind that is not supported.
    ValueError
        If an option has a value it cannot have.
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
        device: str | None = None,
        **torch_only: Unpack[TorchOnly],
    ) -> None:
        refuse_torch_only(device=device, **torch_only)
        self.checkpoint: Checkpoint = find_checkpoint(
            model_name_or_path,
            revision=revision,
            cache_dir=cache_folder,
            local_files_only=local_files_only,
            token=token,
        )
        directory = self.checkpoint.directory
        self.config = ModelConfig.from_directory(directory, is_cross_encoder=True)
        self.num_labels = _num_labels(directory)
        self.activation_fn = _numpy_only(activation_fn) or _activation(directory, self.num_labels)
        self._use = UseSettings.from_directory(directory)
        self._use.change(prompts=prompts, default_prompt_name=default_prompt_name)
        hidden = self.config.hidden_size
        head: dict[str, tuple[int, ...]] = {
            "pooler.dense.weight": (hidden, hidden),
            "pooler.dense.bias": (hidden,),
            "classifier.weight": (self.num_labels, hidden),
            "classifier.bias": (self.num_labels,),
        }
        parameters = ParameterFile(
            directory / "model.safetensors",
            self.config,
            head=head,
        )
        self._head = {name: np.asarray(parameters[name], np.float32) for name in head}
        packed = pack_parameters(parameters, self.config, in_panels=has_small_matrix_kernels())
        self._engine = Engine(
            packed,
            available_cores() if threads is None else positive_int("threads", threads),
            name=directory / "model.safetensors",
        )
        self._has_token_types = _has_token_types(directory)
        self._tokenizer = Tokenizer(
            directory / "tokenizer.json",
            vocab_size=self.config.vocab_size,
            max_seq_length=self.config.max_seq_length,
            do_lower_case=self.config.do_lower_case,
        )
        _, ((*_, last_type),) = self._tokenizer.pairs([("", "a")])
        if self._has_token_types and last_type >= self.config.type_vocab_size:
            raise CheckpointError(
                f"{directory / 'tokenizer.json'} has token types up to {last_type}, but config.json has "
                f"type_vocab_size {self.config.type_vocab_size}"
            )
        if max_length is not None:
            least, most = self._tokenizer.shortest_pair, self.config.max_position_embeddings
            if not least <= max_length <= most:
                raise ValueError(f"max_length must lie in {least} to {most} for this model, not {max_length}")
            self._tokenizer.max_seq_length = max_length

    def __repr__(self) -> str:
        return f"CrossEncoder({str(self.checkpoint.directory)!r}: {self.num_labels} labels)"

    @property
    def max_seq_length(self) -> int:
        """Tokens that are kept of a pair."""
        return self._tokenizer.max_seq_length

    @property
    def prompts(self) -> dict[str, str]:
        """Texts to put before the first of a pair, by name."""
        return self._use.prompts

    @property
    def default_prompt_name(self) -> str | None:
        """The prompt that predict takes when none is asked for."""
        return self._use.default_prompt_name

    def resolve_prompt(self, prompt: str | None = None, prompt_name: str | None = None) -> str:
        """The text that predict puts before the first of a pair: :meth:`minilm.MiniLM.resolve_prompt`."""
        return self._use.prompt(prompt, prompt_name)

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
    ) -> Any:  # noqa: ANN401 - an array, or for one pair and one label a float32
        """Scores of pairs of texts.

        Parameters
        ----------
        inputs : iterable of n pairs of str, or one pair
            Together they are cut at ``max_length`` tokens, the longer one first.
        prompt_name : str, optional
            Name of a prompt in :attr:`prompts`, which is put before the first text of every pair.
        prompt : str, optional
            The prompt itself; ``prompt_name`` then does not count.
        batch_size : int
            How much goes through the encoder at a time; the result does not depend on it.
        show_progress_bar : bool, optional
            As for :meth:`minilm.MiniLM.encode`.
        activation_fn : callable, optional
            What makes scores of logits, (n, num_labels) to the same; None is the model's own.
        apply_softmax : bool
            Make the scores of several labels sum to 1.
        convert_to_numpy, convert_to_tensor, device, pool, chunk_size
            As in sentence-transformers; only the defaults are possible, and ``device`` "cpu".

        Returns
        -------
        ndarray of float32, shape (n,) for one label, else (n, num_labels); without n for one pair

        Raises
        ------
        TypeError
            If an input is no pair of texts; the message names its index.
        ValueError
            If an option has a value it cannot have, or a text holds a lone surrogate.

        Warns
        -----
        TruncationWarning
            Once a call, if pairs were cut, with their number.
        """
        refuse_torch_only(
            convert_to_numpy=convert_to_numpy,
            convert_to_tensor=convert_to_tensor,
            device=device,
            pool=pool,
            chunk_size=chunk_size,
        )
        activation_fn = _numpy_only(activation_fn) or self.activation_fn
        before = self._use.prompt(prompt, prompt_name)
        pack_tokens = TOKENS_PER_TEXT * positive_int("batch_size", batch_size)
        is_single = _is_pair(inputs)
        pairs = _as_pairs([inputs] if is_single else inputs)
        logits = np.empty((len(pairs), self.num_labels), np.float32)
        truncated = 0
        with progress_bar(show_progress_bar, len(pairs)) as bar:
            for start in range(0, len(pairs), WINDOW):
                window = [(before + first, second) for first, second in pairs[start : start + WINDOW]]
                (ids, is_cut), types = self._tokenizer.pairs(window)
                truncated += sum(is_cut)
                logits[start : start + WINDOW] = self._run(ids, types, pack_tokens, bar.update)
        if truncated:
            warnings.warn(
                f"{truncated} of {len(pairs)} pairs were cut at {self.max_seq_length} tokens (max_length)",
                TruncationWarning,
                stacklevel=2,
            )
        scores = np.asarray(activation_fn(logits))
        if scores.shape[:1] != logits.shape[:1]:
            raise ValueError(
                f"activation_fn made an array of shape {scores.shape} of one of shape {logits.shape}"
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
        """Documents by how well they fit a query.

        Parameters
        ----------
        query : str
        documents : iterable of n str
        top_k : int, optional
            Only the best so many.
        return_documents : bool
            Give back the texts as well.
        prompt_name, prompt, batch_size, show_progress_bar, activation_fn, device, pool, chunk_size
            As for :meth:`predict`.

        Returns
        -------
        list of {"corpus_id": int, "score": float, "text": str}
            The best first, of equal scores the earlier document first; "text" if asked for.

        Raises
        ------
        TypeError
            If the query or a document is not a str; the message names the document's index.
        ValueError
            If the model has more than one label, or a text holds a lone surrogate.
        """
        if self.num_labels != 1:
            raise ValueError(
                f"rank needs a model with one label, and this one has {self.num_labels}: use predict"
            )
        if top_k is not None:
            top_k = positive_int("top_k", top_k)
        if isinstance(documents, (str, bytes, Mapping, Set)) or not isinstance(documents, Iterable):
            raise TypeError(f"documents must be a sequence of str, not {type(documents).__name__}")
        query = check_text("query", query)
        documents = [check_text(f"documents[{index}]", text) for index, text in enumerate(documents)]
        scores = self.predict(
            [(query, document) for document in documents],
            prompt_name,
            prompt,
            batch_size,
            show_progress_bar,
            activation_fn,
            device=device,
            pool=pool,
            chunk_size=chunk_size,
        )
        ranking: list[Ranked] = []
        for index in np.argsort(-scores, kind="stable")[:top_k]:
            ranked: Ranked = {"corpus_id": int(index), "score": float(scores[index])}
            if return_documents:
                ranked["text"] = documents[index]
            ranking.append(ranked)
        return ranking

    @property
    def tokenizer(self) -> Tokenizer:
        """What turns pairs into token ids and token types, cut at ``max_length``."""
        return self._tokenizer

    def predict_tokens(
        self, input_ids: Sequence[Sequence[int]], token_type_ids: Sequence[Sequence[int]]
    ) -> Array:
        """Logits of pairs that are token ids already, as ``tokenizer.pairs`` gives them.

        Parameters
        ----------
        input_ids, token_type_ids : sequence of n sequences of int
            Of each pair as many ids as types. The types have no effect in a model that was trained without.

        Returns
        -------
        ndarray of float32, shape (n, num_labels)
        """
        logits = np.empty((len(input_ids), self.num_labels), np.float32)
        if len(input_ids):
            logits[:] = self._run(input_ids, token_type_ids, TOKENS_PER_TEXT**2)
        return logits

    def _run(
        self,
        ids: Sequence[Sequence[int]],
        types: Sequence[Sequence[int]],
        pack_tokens: int,
        advance: Callable[[int], object] = lambda _: None,
    ) -> Sequence[Array]:
        used = types if self._has_token_types else None
        return self._engine.run(ids, pack_tokens, self._logits, advance, token_types=used)

    def _logits(self, hidden_states: Array) -> Array:
        """Hidden states (N, L, E) to logits (N, labels): C and W of [1]_, section 4.1.

        The pooler between [CLS] and C, a linear layer and tanh, is in BERT's code, not in its paper.
        """
        head = self._head
        first = hidden_states[:, 0]  # (N, E), of [CLS]
        pooled = np.tanh(first @ head["pooler.dense.weight"] + head["pooler.dense.bias"])  # (N, E)
        return np.asarray(pooled @ head["classifier.weight"] + head["classifier.bias"])  # (N, labels)


def _as_pairs(inputs: Iterable[Any]) -> list[tuple[str, str]]:
    if isinstance(inputs, (str, bytes, Mapping, Set)) or not isinstance(inputs, Iterable):
        raise TypeError(f"inputs must be a pair of str or a sequence of them, not {type(inputs).__name__}")
    pairs = []
    for index, pair in enumerate(inputs):
        if not _is_pair(pair):
            raise TypeError(f"inputs[{index}] must be a pair of str, not {pair!r:.80}")
        first, second = (check_text(f"inputs[{index}][{side}]", text) for side, text in enumerate(pair))
        pairs.append((first, second))
    return pairs


def _is_pair(x: object) -> bool:
    return isinstance(x, (list, tuple)) and len(x) == 2 and all(isinstance(text, str) for text in x)


def _numpy_only(activation_fn: Activation | None) -> Activation | None:
    if type(activation_fn).__module__.partition(".")[0] == "torch":
        raise ValueError(
            f"activation_fn={activation_fn!r} is not supported: it takes torch's tensors; give a function of "
            "a numpy array, such as minilm.cross_encoder.sigmoid"
        )
    return activation_fn


def _num_labels(directory: Path) -> int:
    fields = read_json(directory / "config.json", dict)
    labels = fields.get("id2label")
    count = len(labels) if isinstance(labels, dict) else fields.get("num_labels", 2)
    if isinstance(count, bool) or not isinstance(count, int) or not 0 < count < 2**31:
        raise CheckpointError(
            f"{directory / 'config.json'}: num_labels must lie in 1 to {2**31 - 1}, not {shown(count)}"
        )
    return count


def _activation(directory: Path, num_labels: int) -> Activation:
    """The function that the checkpoint names, in one of the three places where it may."""
    config, own = directory / "config.json", directory / "config_sentence_transformers.json"
    fields = read_json(config, dict)
    nested = fields.get("sentence_transformers")
    named = (
        (read_json(own, dict).get("activation_fn") if is_there(own) else None)
        or (nested.get("activation_fn") if isinstance(nested, dict) else None)
        or fields.get("sbert_ce_default_activation_function")
    )
    if named is None:
        return sigmoid if num_labels == 1 else identity
    name = named.rpartition(".")[2] if isinstance(named, str) else ""
    if name not in _ACTIVATIONS:
        known = ", ".join(_ACTIVATIONS)
        raise CheckpointError(f"{directory}: activation_fn {shown(named)} is not supported, only {known} are")
    return _ACTIVATIONS[name]


def _has_token_types(directory: Path) -> bool:
    """Whether the original's tokenizer tells the encoder which text a token is of; BERT's own does."""
    path = directory / "tokenizer_config.json"
    fields = read_json(path, dict) if is_there(path) else {}
    if "model_input_names" in fields:
        if not isinstance(names := fields["model_input_names"], list):
            raise CheckpointError(f"{path}: model_input_names must be a list, not {shown(names)}")
        return "token_type_ids" in names
    return fields.get("tokenizer_class", "BertTokenizer") in ("BertTokenizer", "BertTokenizerFast")
