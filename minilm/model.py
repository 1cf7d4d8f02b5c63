"""MiniLM: the class that joins tokenizer, encoder and pooling, and the one most people import.

A text becomes token ids in ``tokenizer.py``, hidden states in ``packed.py``, which ``engine.py`` runs on all
cores, and an embedding in ``embedding_head.py``; ``similarity.py`` compares embeddings. ``loading.py`` brings
what these need, and ``outputs.py`` knows what else can be had of a text.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import numpy as np
import numpy.typing as npt

from minilm._arguments import EncodeOptions, TorchOnly, positive_int, refuse_torch_only
from minilm._arrays import GrowingArray
from minilm._loading import load
from minilm._outputs import Features, OutputValue, keep_tokens, output_of
from minilm._progress import progress_bar
from minilm.checkpoint.prompts import DOCUMENT_PROMPTS, QUERY_PROMPTS, UseSettings
from minilm.config import Pooling
from minilm.errors import TruncationWarning
from minilm.explanation import Explanation, explain_score
from minilm.fast.blas import blas_info, kernel_advice
from minilm.fast.cores import available_cores
from minilm.fast.engine import TOKENS_PER_TEXT, Engine
from minilm.heads import EmbeddingHead
from minilm.hub import DEFAULT_MODEL, is_pinned
from minilm.quantization import PRECISIONS, Precision, quantize_embeddings
from minilm.similarity import SIMILARITY, as_floats
from minilm.text.inputs import as_texts, check_encodable, check_text, is_text, windows
from minilm.tokenizer import TokenizedTexts, Tokenizer, pad

if TYPE_CHECKING:
    from typing_extensions import Unpack

Array = npt.NDArray[np.float32]
logger = logging.getLogger(__name__)


class MiniLM:
    """A sentence encoder: text in, one vector a text out.

    A BERT encoder, by default a small one that learned from a larger [2]_; its vectors, one a token, are
    pooled to one a text [1]_.

    Parameters
    ----------
    model_name_or_path : str or PathLike
        A directory with a checkpoint, or its name on the Hugging Face Hub. The default is all-MiniLM-L6-v2
        at a pinned revision; see :mod:`minilm.hub` for where it is looked for. Its full name never means a
        directory.
    revision : str, optional
        Branch, tag or commit on the Hub. A directory has none.
    cache_folder : str or Path, optional
        A Hugging Face cache other than the user's own.
    local_files_only : bool
        Never go to the network.
    token : str or bool, optional
        What opens a private or gated repository on the Hub; None is the one of ``hf auth login``, False none.
    max_seq_length : int, optional
        Tokens that are kept of a text, ``[CLS]`` and ``[SEP]`` included; None is as the checkpoint says (256
        for all-MiniLM-L6-v2). It can be set later, up to the model's position table (512).
    threads : int, optional
        Cores to use; None is all that this process may use, its affinity and control group's quota respected.
        BLAS is held to them while texts are encoded, and as it was afterwards.
    prompts : mapping of str to str, optional
        Texts to put before what is encoded, by name, besides those of the checkpoint.
    default_prompt_name : str, optional
        The prompt to take when none is asked for; None is as the checkpoint says.
    similarity_fn_name : {"cosine", "dot", "euclidean", "manhattan"}, optional
        What :meth:`similarity` computes; None is as the checkpoint says (cosine).
    truncate_dim : int, optional
        Components of an embedding that are kept; None is all.
    device : {"cpu"}, optional
        As sentence-transformers calls it; there is no other.
    **torch_only
        The other arguments of sentence-transformers' constructor (``backend``, ``model_kwargs``,
        ``trust_remote_code`` ...). Anything but their defaults is refused, with the reason.

    Attributes
    ----------
    config : ModelConfig
        What the checkpoint says about itself.
    checkpoint : Checkpoint
        Where the files are and where they came from.
    normalize : bool
        Whether embeddings are scaled to length 1, as the checkpoint's Normalize module says; may be set.
    truncate_dim : int or None
        Components that are kept; may be set.

    Raises
    ------
    CheckpointNotFoundError
        If the checkpoint is nowhere to be had.
    CheckpointError
        If it is damaged or of a kind that is not supported.
    ValueError
        If an option has a value it cannot have.

    References
    ----------
    .. [1] Reimers and Gurevych 2019, "Sentence-BERT", section 3, https://arxiv.org/abs/1908.10084
    .. [2] Wang et al. 2020, "MiniLM", section 3, https://arxiv.org/abs/2002.10957

    Examples
    --------
    >>> model = MiniLM()
    >>> embeddings = model.encode(["A girl is styling her hair.", "A girl is brushing her hair."])
    >>> embeddings.shape
    (2, 384)
    >>> round(float(embeddings[0] @ embeddings[1]), 4)
    0.8052
    """

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str] = DEFAULT_MODEL,
        *,
        revision: str | None = None,
        cache_folder: str | Path | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        max_seq_length: int | None = None,
        threads: int | None = None,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
        similarity_fn_name: str | None = None,
        truncate_dim: int | None = None,
        device: str | None = None,
        **torch_only: Unpack[TorchOnly],
    ) -> None:
        refuse_torch_only(device=device, **torch_only)
        self.checkpoint, (self.config, parameters, self._tokenizer, dense) = load(
            model_name_or_path,
            revision=revision,
            cache_dir=cache_folder,
            local_files_only=local_files_only,
            token=token,
        )
        self._head = EmbeddingHead(self.config, dense)
        self._engine = Engine(
            parameters,
            available_cores() if threads is None else positive_int("threads", threads),
            name=self.checkpoint.directory / "model.safetensors",
        )
        if max_seq_length is not None:
            self.max_seq_length = max_seq_length
        # a file beside the default model's that the manifest does not name has no checksum, and no say
        is_default = is_pinned(self.checkpoint)
        self._use = UseSettings() if is_default else UseSettings.from_directory(self.checkpoint.directory)
        self._use.change(
            prompts=prompts, default_prompt_name=default_prompt_name, similarity_fn_name=similarity_fn_name
        )
        self.truncate_dim = None if truncate_dim is None else positive_int("truncate_dim", truncate_dim)
        self.normalize = self.config.normalize
        logger.info(
            "%s from %s; BLAS: %s; %d cores; %s",
            self,
            self.checkpoint.source,
            blas_info(),
            self.threads,
            kernel_advice() or "nothing to improve",
        )

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str] = DEFAULT_MODEL,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        max_seq_length: int | None = None,
        threads: int | None = None,
    ) -> MiniLM:
        """Load a checkpoint by name or directory: the constructor, under the name transformers gave it."""
        return cls(
            name_or_path,
            revision=revision,
            cache_folder=cache_dir,
            local_files_only=local_files_only,
            max_seq_length=max_seq_length,
            threads=threads,
        )

    def __repr__(self) -> str:
        c = self.config
        return (
            f"MiniLM({str(self.checkpoint.directory)!r}: {c.num_hidden_layers} layers, "
            f"{c.num_attention_heads} heads, {c.hidden_size} wide, {self.max_seq_length} tokens, "
            f"{c.pooling} pooling)"
        )

    @property
    def embedding_dimension(self) -> int:
        """Components of an embedding before any truncation: 384 for all-MiniLM-L6-v2."""
        return self._head.width()

    def get_embedding_dimension(self) -> int:
        """Components of an embedding as encode returns it, ``truncate_dim`` respected."""
        return min(self.embedding_dimension, self.truncate_dim or self.embedding_dimension)

    get_sentence_embedding_dimension = get_embedding_dimension  # its former name, which many still use

    @property
    def prompts(self) -> dict[str, str]:
        """Texts to put before what is encoded, by name."""
        return self._use.prompts

    @property
    def default_prompt_name(self) -> str | None:
        """The prompt that encode takes when none is asked for; may be set, also to None."""
        return self._use.default_prompt_name

    @default_prompt_name.setter
    def default_prompt_name(self, value: str | None) -> None:
        self._use.default_prompt_name = None
        self._use.change(default_prompt_name=value)

    def resolve_prompt(self, prompt: str | None = None, prompt_name: str | None = None) -> str:
        """The text that encode puts before every text: ``prompt``, or the one of that name, or the default.

        Raises
        ------
        ValueError
            If there is no prompt of that name.
        """
        return self._use.prompt(prompt, prompt_name)

    @property
    def similarity_fn_name(self) -> str:
        """What :meth:`similarity` computes: "cosine", "dot", "euclidean" or "manhattan"."""
        return self._use.similarity_fn_name

    @similarity_fn_name.setter
    def similarity_fn_name(self, value: str) -> None:
        self._use.change(similarity_fn_name=value)

    @property
    def max_seq_length(self) -> int:
        """Tokens that are kept of a text, special tokens included; longer texts are cut, with a warning."""
        return self._tokenizer.max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, value: int) -> None:
        longest = self.config.max_position_embeddings
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"max_seq_length must be an int, not {type(value).__name__}")
        if not 3 <= value <= longest:
            raise ValueError(f"max_seq_length must lie in 3 to {longest} for this model, not {value}")
        self._tokenizer.max_seq_length = int(value)

    def get_max_seq_length(self) -> int:
        """:attr:`max_seq_length`, as sentence-transformers also calls it."""
        return self.max_seq_length

    @property
    def threads(self) -> int:
        """Cores that encode uses."""
        return self._engine.threads

    @threads.setter
    def threads(self, value: int) -> None:
        self._engine.threads = positive_int("threads", value)

    # For type checkers: what comes back depends on two arguments, one text or many, and output_value.
    @overload
    def encode(  # type: ignore[overload-overlap] # a str is an iterable of str, but means one text
        self,
        inputs: str,
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        output_value: OutputValue = ...,
        **options: Unpack[EncodeOptions],
    ) -> Array: ...

    @overload
    def encode(
        self,
        inputs: Iterable[str],
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        output_value: Literal["sentence_embedding"] = ...,
        **options: Unpack[EncodeOptions],
    ) -> Array: ...

    @overload
    def encode(
        self,
        inputs: Iterable[str],
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        *,
        output_value: Literal["token_embeddings"],
        **options: Unpack[EncodeOptions],
    ) -> list[Array]: ...

    @overload
    def encode(  # type: ignore[overload-overlap] # as above
        self,
        inputs: str,
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        *,
        output_value: None,
        **options: Unpack[EncodeOptions],
    ) -> Features: ...

    @overload
    def encode(
        self,
        inputs: Iterable[str],
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        *,
        output_value: None,
        **options: Unpack[EncodeOptions],
    ) -> list[Features]: ...

    def encode(
        self,
        inputs: str | Iterable[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: OutputValue | None = "sentence_embedding",
        precision: Precision = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: str | None = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        pool: None = None,
        chunk_size: None = None,
        *,
        pooling: Pooling | Sequence[Pooling] | None = None,
    ) -> Array | list[Array] | Features | list[Features]:
        """Embeddings of one text or of many.

        Parameters
        ----------
        inputs : str or iterable of str
            One text, or a list, tuple, numpy array, pandas Series or generator of n texts.
        prompt_name : str, optional
            Name of a prompt in :attr:`prompts`, which is put before every text; None is the checkpoint's
            default prompt, if it has one.
        prompt : str, optional
            The prompt itself; ``prompt_name`` then does not count.
        batch_size : int
            How much goes through the encoder at a time, and so how much memory it takes: as many tokens as
            this many texts of 32 tokens. The result does not depend on it.
        show_progress_bar : bool, optional
            A bar on stderr: True always, False never, None when stderr is a terminal and the work takes
            more than a second.
        output_value : {"sentence_embedding", "token_embeddings", None}
            What to return: one vector a text; the vectors of its tokens, ``[CLS]`` and ``[SEP]`` included; or
            None, both of them and the token ids.
        precision : {"float32", "int8", "uint8", "binary", "ubinary"}
            A smaller type, by :func:`minilm.util.quantize_embeddings`; the ranges of int8 and uint8 are those
            of the embeddings of this call.
        convert_to_numpy, convert_to_tensor, device, pool, chunk_size
            As in sentence-transformers, where they choose among torch's tensors and devices. Here they can
            have their defaults only (and ``device`` "cpu"); anything else is refused with the reason.
        normalize_embeddings : bool
            Scale each embedding to length 1. A checkpoint with a Normalize module (all-MiniLM-L6-v2 is one)
            does so by itself, unless :attr:`normalize` was set to False.
        truncate_dim : int, optional
            Keep the first so many components, for models trained to allow it ("Matryoshka"); None is as
            :attr:`truncate_dim` says. The checkpoint's own scaling comes before the cut, that of
            ``normalize_embeddings`` after it.
        pooling : str or sequence of str, optional
            How the token vectors of a text become one: "mean", "cls", "max", "mean_sqrt_len_tokens",
            "weightedmean" or "lasttoken", or several of them side by side; None is as the checkpoint says.

        Returns
        -------
        ndarray of float32, shape (E,) or (n, E), or a list of them
            (E,) for a single str, else one row a text, in the order given; for "token_embeddings" one
            (n_tokens, E) array a text; for None one dict a text, of ``input_ids``, ``token_type_ids``,
            ``attention_mask`` (n_tokens,), ``token_embeddings`` (n_tokens, E), ``sentence_embedding`` (E,).

        Raises
        ------
        TypeError
            If ``inputs`` holds anything that is not text; the message names the index and the type.
        ValueError
            If an option has a value it cannot have, or a text holds a lone surrogate.

        Warns
        -----
        TruncationWarning
            Once a call, if texts were cut at ``max_seq_length``, with their number.

        Examples
        --------
        >>> model = MiniLM()
        >>> model.encode("one text").shape
        (384,)
        >>> [tokens.shape for tokens in model.encode(["one text"], output_value="token_embeddings")]
        [(4, 384)]
        """
        refuse_torch_only(
            convert_to_numpy=convert_to_numpy,
            convert_to_tensor=convert_to_tensor,
            device=device,
            pool=pool,
            chunk_size=chunk_size,
        )
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
        if output_value is None and precision != "float32":
            raise ValueError("precision has no meaning for output_value None")
        pack_tokens = TOKENS_PER_TEXT * positive_int("batch_size", batch_size)
        output = output_of(
            output_value,
            self._head,
            pooling=pooling,
            normalize=self.normalize,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=self.truncate_dim if truncate_dim is None else truncate_dim,
        )
        before = self._use.prompt(prompt, prompt_name)
        texts, is_single = as_texts(inputs)
        total = len(texts) if isinstance(texts, Sized) else None
        results: list[Any] | GrowingArray = (
            [] if output.width is None else GrowingArray(total or 0, output.width)
        )
        truncated = 0
        with progress_bar(show_progress_bar, total) as bar:
            for start, window in windows(texts):
                with_prompt = [before + text for text in window] if before else window
                token_ids, is_truncated = self._token_ids(start, with_prompt)
                truncated += sum(is_truncated)
                # no name for a window's rows: they would be held while the next one is encoded
                results.extend(
                    output.complete(
                        token_ids, self._engine.run(token_ids, pack_tokens, output.finish, bar.update)
                    )
                )
        if truncated:
            warnings.warn(
                f"{truncated} of {len(results)} texts were cut at {self.max_seq_length} tokens "
                "(max_seq_length); the rest of them was not encoded",
                TruncationWarning,
                stacklevel=2,
            )
        finished = results if isinstance(results, list) else results.array()
        if precision != "float32":
            finished = quantize_embeddings(finished, precision)
        return finished[0] if is_single else finished

    def encode_query(self, inputs: str | Iterable[str], **options: Any) -> Any:  # noqa: ANN401 - as encode
        """Like :meth:`encode`, of queries: with the prompt named "query", if neither is given."""
        return self._encode_by(QUERY_PROMPTS, inputs, options)

    def encode_document(self, inputs: str | Iterable[str], **options: Any) -> Any:  # noqa: ANN401 - as encode
        """Like :meth:`encode`, of what is searched: with the prompt "document", "passage" or "corpus".

        "document" is always there, and empty unless the checkpoint or the caller has given it a text; so a
        checkpoint whose prompt is called "passage" is to be told ``prompt_name="passage"``, here as in
        sentence-transformers.
        """
        return self._encode_by(DOCUMENT_PROMPTS, inputs, options)

    def _encode_by(self, names: tuple[str, ...], inputs: str | Iterable[str], options: dict[str, Any]) -> Any:  # noqa: ANN401 - as encode
        if options.get("prompt_name") is None and options.get("prompt") is None:
            options["prompt_name"] = self._use.first_of(names)
        return self.encode(inputs, **options)

    @property
    def tokenizer(self) -> Tokenizer:
        """What turns texts into token ids, cut at ``max_seq_length``."""
        return self._tokenizer

    def encode_tokens(
        self,
        input_ids: Sequence[Sequence[int]],
        *,
        normalize: bool | None = None,
        pooling: Pooling | Sequence[Pooling] | None = None,
        batch_size: int = 32,
    ) -> Array:
        """Embeddings of texts that are token ids already, ``[CLS]`` and ``[SEP]`` included.

        Parameters
        ----------
        input_ids : sequence of n sequences of int
            Each with 1 to ``config.max_position_embeddings`` ids below ``config.vocab_size``.
        normalize : bool, optional
            Scale each embedding to length 1; None is as :attr:`normalize` says.
        pooling, batch_size
            As for :meth:`encode`.

        Returns
        -------
        ndarray of float32, shape (n, E)

        Raises
        ------
        ValueError
            If a text has no tokens, too many, or an id that the vocabulary does not have.

        Examples
        --------
        >>> model = MiniLM()
        >>> [ids] = model.tokenizer(["one text"]).input_ids
        >>> bool((model.encode_tokens([ids])[0] == model.encode("one text")).all())
        True
        """
        longest, vocab_size = self.config.max_position_embeddings, self.config.vocab_size
        for index, ids in enumerate(input_ids):
            if not 1 <= len(ids) <= longest:
                raise ValueError(f"input_ids[{index}] has {len(ids)} ids; a text has 1 to {longest}")
            if not (min(ids) >= 0 and max(ids) < vocab_size):
                raise ValueError(f"input_ids[{index}] has an id outside 0 to {vocab_size - 1}")
        if len(input_ids) == 0:
            return np.empty((0, self._head.width(pooling)), np.float32)
        finish = self._head.embedder(pooling, normalize=self.normalize if normalize is None else normalize)
        rows = self._engine.run(input_ids, TOKENS_PER_TEXT * positive_int("batch_size", batch_size), finish)
        return np.stack(rows)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Array:  # noqa: ANN401 - texts or embeddings, in any array-like form
        """How alike every text or embedding is to every other, by :attr:`similarity_fn_name`.

        Parameters
        ----------
        embeddings1, embeddings2 : array_like of float, or str, or sequence of str
            Embeddings, shape (E,) or (n, E); or texts, which are encoded first.

        Returns
        -------
        ndarray of float32, shape (n, m)

        Examples
        --------
        >>> model = MiniLM()
        >>> model.similarity("A girl is styling her hair.", ["A girl is brushing her hair."]).round(4)
        array([[0.8052]], dtype=float32)
        """
        return self._compare(0, embeddings1, embeddings2)  # the measure of all with all

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Array:  # noqa: ANN401 - as similarity
        """How alike the texts or embeddings at the same place are: (n,), by :attr:`similarity_fn_name`.

        Takes what :meth:`similarity` does, n of each.
        """
        return self._compare(1, embeddings1, embeddings2)  # the measure of pairs

    def _compare(self, which: int, *sides: Any) -> Array:  # noqa: ANN401
        first, second = (
            self.encode(x) if is_text(x) else np.asarray(as_floats(x), np.float32) for x in sides
        )
        return cast(Array, SIMILARITY[self.similarity_fn_name][which](first, second))

    def explain(self, a: str, b: str) -> Explanation:
        """Why two texts have the score they have: their cosine as a sum over pairs of tokens.

        Parameters
        ----------
        a, b : str
            Two texts; they are cut at ``max_seq_length``, which the result says of each. A default prompt is
            put before them, as :meth:`encode` does, and its tokens count as special ones.

        Returns
        -------
        Explanation
            The score, the tokens and words of both texts with their places in them, and ``contributions``, a
            float64 array (tokens of a, tokens of b) whose sum is the score.

        Raises
        ------
        TypeError
            If ``a`` or ``b`` is not a str.
        ValueError
            If one holds a lone surrogate.

        Examples
        --------
        >>> explanation = MiniLM().explain("A girl is styling her hair.", "A girl is brushing her hair.")
        >>> explanation.contributions.shape, round(float(explanation.contributions.sum()), 4)
        ((9, 9), 0.8052)
        """
        a, b = check_text("a", a), check_text("b", b)
        if self._head.has_dense:
            raise ValueError(
                "explain cannot split the score: this checkpoint has a Dense module after pooling"
            )
        before = self._use.prompt(None, None)
        texts = [a, b]
        token_ids, _ = self._token_ids(0, [before + text for text in texts])
        hidden_states = self._engine.run(token_ids, sum(map(len, token_ids)), keep_tokens)
        embed = self._head.embedder(normalize=True)
        return explain_score(
            [self._tokenizer.spans(text, before) for text in texts],
            hidden_states,
            [embed(tokens[None])[0] for tokens in hidden_states],
            self.config.pooling,
        )

    def tokenize(self, texts: str | Iterable[str]) -> dict[str, npt.NDArray[np.int64]]:
        """Token ids as the encoder sees them.

        Parameters
        ----------
        texts : str or iterable of str
            B texts; they are cut at ``max_seq_length`` without a warning.

        Returns
        -------
        dict of ndarray of int64, each of shape (B, L)
            ``input_ids``, ``token_type_ids`` and ``attention_mask``, padded to the longest text's length L.

        Examples
        --------
        >>> MiniLM().tokenize(["hello world", "hello"])["input_ids"]
        array([[ 101, 7592, 2088,  102],
               [ 101, 7592,  102,    0]])
        """
        given, _ = as_texts(texts)
        ids = [row for start, window in windows(given) for row in self._token_ids(start, window).input_ids]
        input_ids, attention_mask = pad(ids)
        return {
            "input_ids": input_ids,
            "token_type_ids": np.zeros_like(input_ids),
            "attention_mask": attention_mask,
        }

    def _token_ids(self, start: int, window: list[str]) -> TokenizedTexts:
        try:
            return self._tokenizer(window)
        except (TypeError, UnicodeEncodeError):  # what comes of a string that is not Unicode text
            check_encodable(window, start)
            raise
