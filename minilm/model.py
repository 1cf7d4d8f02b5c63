"""MiniLM: texts in, embeddings out. The class that most people import.

A text becomes token ids in ``tokenizer.py``, hidden states in ``fast/packed.py`` and an embedding in
``heads.py``. ``_pipeline.py`` takes texts along that path; ``_loading.py`` reads the checkpoint.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from minilm._arguments import positive_int, refuse_tensors, refuse_torch_only
from minilm._arrays import Float32Array, GrowingArray, Int64Array
from minilm._loading import load, read_embedder
from minilm._options import EmbedderOptions, encode_signature
from minilm._pipeline import Counts, Pipeline
from minilm.errors import TruncationWarning
from minilm.explanation import Explanation
from minilm.fast.blas import blas_info, kernel_advice
from minilm.fast.cores import available_cores
from minilm.fast.engine import Engine
from minilm.heads import OutputValue, check_output, features, token_vectors
from minilm.hub import DEFAULT_MODEL
from minilm.pooling import Pooling
from minilm.quantization import Precision, quantize_embeddings
from minilm.similarity import SIMILARITY, as_floats
from minilm.text.inputs import as_texts, check_text, is_text
from minilm.tokenizer import pad

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from minilm._arguments import TorchOnly
    from minilm._options import MiniLMOptions

# The names under which encode_query and encode_document look for their prompt, in order.
QUERY_PROMPTS = ("query",)
DOCUMENT_PROMPTS = ("document", "passage", "corpus")

logger = logging.getLogger(__name__)


class MiniLM(EmbedderOptions):
    """A sentence encoder: text in, one vector per text out.

    A BERT encoder, by default a small one that learned from a larger one [2]_. Its vectors, one per token,
    are pooled to one per text [1]_.

    Parameters
    ----------
    model_name_or_path : str or PathLike
        A directory, or a name on the Hugging Face Hub; :func:`minilm.hub.find_checkpoint` has the details.
    revision : str, optional
        Branch, tag or commit on the Hub. A directory has none.
    cache_folder : str or Path, optional
        A Hugging Face cache other than the user's own.
    local_files_only : bool
        Never use the network.
    token : str or bool, optional
        Opens a private or gated repository on the Hub. None uses the token of ``hf auth login``, False none.
    max_seq_length : int, optional
        Tokens that are kept of a text, ``[CLS]`` and ``[SEP]`` included: up to 512, and 256 unless set.
    threads : int, optional
        Cores to use. None is all that this process may use, by its affinity and its control group's quota.
    prompts : mapping of str to str, optional
        Texts to put before what is encoded, by name, beside those of the checkpoint.
    default_prompt_name : str, optional
        The prompt to use when none is given. None is as the checkpoint says.
    similarity_fn_name : {"cosine", "dot", "euclidean", "manhattan"}, optional
        What :meth:`similarity` computes. None is as the checkpoint says (cosine).
    truncate_dim : int, optional
        Components of an embedding that are kept. None is all.
    **torch_only
        The other arguments of sentence-transformers' constructor (``device``, ``backend``, ``model_kwargs``,
        ``trust_remote_code`` ...). Any value but the default is refused, with the reason.

    Raises
    ------
    CheckpointNotFoundError
        If the checkpoint cannot be found anywhere.
    CheckpointError
        If it is damaged or of a kind that is not supported.
    ValueError
        If an option has a value that is not possible.

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
    >>> [tokens.shape for tokens in model.encode(["one text"], output_value="token_embeddings")]
    [(4, 384)]
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
        **torch_only: Unpack[TorchOnly],
    ) -> None:
        if torch_only:
            refuse_torch_only(**torch_only)
        self.checkpoint, settings, parts = load(
            model_name_or_path,
            read_embedder,
            revision=revision,
            cache_folder=cache_folder,
            local_files_only=local_files_only,
            token=token,
        )
        self.config, parameters, tokenizer, self.head = parts[:4]
        cores = available_cores() if threads is None else positive_int("threads", threads)
        engine = Engine(parameters, cores, self.checkpoint.directory / "model.safetensors")
        self.pipeline = Pipeline(tokenizer, engine, settings.prompts, settings.default_prompt_name)
        if prompts or default_prompt_name is not None:
            self.pipeline.update_prompts(prompts, default_prompt_name)
        self._similarity_fn_name = settings.similarity_fn_name
        if similarity_fn_name is not None:
            self.similarity_fn_name = similarity_fn_name
        if max_seq_length is not None:
            self.max_seq_length = max_seq_length
        self._truncate_dim = settings.truncate_dim
        if truncate_dim is not None:
            self.truncate_dim = truncate_dim
        self.normalize = self.config.normalize
        if logger.isEnabledFor(logging.INFO):
            blas = f"{blas_info()}; {cores} cores; {kernel_advice() or 'nothing to improve'}"
            logger.info("%s from %s; BLAS: %s", self, self.checkpoint.source, blas)

    @classmethod
    def from_pretrained(
        cls, model_name_or_path: str | os.PathLike[str] = DEFAULT_MODEL, **options: Unpack[MiniLMOptions]
    ) -> Self:
        """Load a checkpoint by name or directory: the constructor, as transformers calls it."""
        return cls(model_name_or_path, **options)

    def __repr__(self) -> str:
        c = self.config
        return (
            f"MiniLM({str(self.checkpoint.directory)!r}: {c.num_hidden_layers} layers, "
            f"{c.num_attention_heads} heads, {c.hidden_size} wide, {self.max_seq_length} tokens, "
            f"{' + '.join(c.pooling)} pooling)"
        )

    @encode_signature
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
    ) -> Any:  # noqa: ANN401 - encode_signature has the types
        """Embeddings of one text or of many.

        Parameters
        ----------
        inputs : str or iterable of str
            One text, or a list, tuple, numpy array, pandas Series or generator of n texts.
        prompt_name : str, optional
            The prompt in :attr:`prompts` to put before every text. None is the default one, if there is one.
        prompt : str, optional
            The prompt itself; ``prompt_name`` then does not count.
        batch_size : int
            How much goes through the encoder at a time, per core: the tokens of this many texts of 32 tokens.
            It bounds the memory and does not change the result.
        show_progress_bar : bool, optional
            A bar on stderr: always, never, or for None on a terminal if the work takes more than a second.
        output_value : {"sentence_embedding", "token_embeddings", None}
            One vector per text; or the vectors of its tokens, ``[CLS]`` and ``[SEP]`` included; or for None
            both of them and the token ids.
        precision : {"float32", "int8", "uint8", "binary", "ubinary"}
            A smaller type: see :func:`minilm.util.quantize_embeddings`. The ranges of int8 and uint8 are
            those of the embeddings of this call.
        normalize_embeddings : bool
            Scale each embedding to length 1, after the cut at ``truncate_dim``. A checkpoint with a Normalize
            module, such as all-MiniLM-L6-v2, does so before the cut; see :attr:`normalize`.
        truncate_dim : int, optional
            Keep the first components only, for models trained to allow it ("Matryoshka"). None is
            :attr:`truncate_dim`.
        pooling : str or sequence of str, optional
            How the token vectors of a text become one: "mean", "cls", "max", "mean_sqrt_len_tokens",
            "weightedmean" or "lasttoken", or several of them concatenated. None is as the checkpoint says.
        convert_to_numpy, convert_to_tensor, device, pool, chunk_size
            Choices of sentence-transformers among torch's tensors and devices. Any value but the default is
            refused, with the reason.

        Returns
        -------
        ndarray of float32, shape (E,) or (n, E), or a list
            (E,) for a single str, else one row per text, in the order given. For "token_embeddings" one array
            (n_tokens, E) per text. For None one dict per text, of ``input_ids``, ``token_type_ids``,
            ``attention_mask`` (n_tokens,), ``token_embeddings`` (n_tokens, E), ``sentence_embedding`` (E,).

        Raises
        ------
        TypeError
            If ``inputs`` has anything that is not text; the message names the index and the type.
        ValueError
            If an option has a value that is not possible, or a text has a lone surrogate.

        Warns
        -----
        TruncationWarning
            Once per call, if texts were cut at ``max_seq_length``, with their number.
        """
        refuse_tensors(convert_to_numpy, convert_to_tensor, device, pool, chunk_size)
        check_output(output_value, precision, pooling, normalize_embeddings)
        dim = self._truncate_dim if truncate_dim is None else positive_int("truncate_dim", truncate_dim)
        embed = self.head.embedder(pooling, self.normalize, dim, normalize_embeddings)
        texts, is_single = ([inputs], True) if isinstance(inputs, str) else as_texts(inputs)
        counts = Counts()
        run = self.pipeline.run(
            texts,
            embed if output_value == "sentence_embedding" else token_vectors,
            counts=counts,
            prompt_text=self.pipeline.prompt_text(prompt, prompt_name),
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
        )
        if output_value == "token_embeddings":
            results: Any = [tokens for _, window in run for tokens in window]
        elif output_value is None:
            results = [
                features(ids, tokens, embed)
                for tokenized, window in run
                for ids, tokens in zip(tokenized.input_ids, window, strict=True)
            ]
        elif is_single:
            [(_, results)] = run
        else:
            width = min(self.head.width(pooling), dim or sys.maxsize)
            rows = GrowingArray(len(texts) if isinstance(texts, Sized) else 0, width)
            for _, window in run:
                rows.extend(window)
                del window  # otherwise it stays in memory while the next one is encoded
            results = rows.array()
        if counts.truncated:
            warnings.warn(self.pipeline.truncation_message(counts), TruncationWarning, stacklevel=2)
        if precision != "float32":
            results = quantize_embeddings(results, precision)
        return results[0] if is_single else results

    @encode_signature
    def encode_query(self, inputs: str | Iterable[str], *rest: Any, **options: Any) -> Any:  # noqa: ANN401
        """Like :meth:`encode`, for queries: with the prompt "query", unless a prompt is given."""
        rest, options = self._role_arguments(QUERY_PROMPTS, *rest, **options)
        return self.encode(inputs, *rest, **options)

    @encode_signature
    def encode_document(self, inputs: str | Iterable[str], *rest: Any, **options: Any) -> Any:  # noqa: ANN401
        """Like :meth:`encode`, for documents: with the prompt "document", "passage" or "corpus".

        "document" always exists, and may be empty. For a checkpoint whose prompt is called "passage", give
        ``prompt_name="passage"``, here as in sentence-transformers.
        """
        rest, options = self._role_arguments(DOCUMENT_PROMPTS, *rest, **options)
        return self.encode(inputs, *rest, **options)

    def encode_tokens(
        self,
        input_ids: Sequence[Sequence[int]],
        *,
        normalize: bool | None = None,
        pooling: Pooling | Sequence[Pooling] | None = None,
        batch_size: int = 32,
    ) -> Float32Array:
        """Embeddings (n, E) of n texts that are token ids already, ``[CLS]`` and ``[SEP]`` included.

        Parameters
        ----------
        input_ids : sequence of n sequences of int
            Each with 1 to ``config.max_position_embeddings`` ids below ``config.vocab_size``.
        normalize : bool, optional
            Scale each embedding to length 1; None is as :attr:`normalize` says.
        pooling, batch_size
            As for :meth:`encode`.

        Raises
        ------
        ValueError
            If a text has no tokens, too many, or an id that is not in the vocabulary.
        """
        is_normalized = self.normalize if normalize is None else normalize
        embed = self.head.embedder(pooling, is_normalized)
        rows = self.pipeline.run_tokens(input_ids, embed, batch_size=batch_size)
        return np.stack(rows) if rows else np.empty((0, self.head.width(pooling)), np.float32)

    def token_embeddings(self, input_ids: Sequence[Sequence[int]]) -> list[Float32Array]:
        """Hidden states (n_tokens, E) of texts that are token ids already: see :meth:`encode_tokens`."""
        return self.pipeline.run_tokens(input_ids, token_vectors)

    def similarity(self, embeddings1: npt.ArrayLike, embeddings2: npt.ArrayLike) -> Float32Array:
        """Similarity of each text or embedding with each, by :attr:`similarity_fn_name`: (n, m).

        Parameters
        ----------
        embeddings1, embeddings2 : array_like of float, or str, or sequence of str
            Embeddings, shape (E,) or (n, E); or texts, which are encoded first.

        Examples
        --------
        >>> model = MiniLM()
        >>> model.similarity("A girl is styling her hair.", ["A girl is brushing her hair."]).round(4)
        array([[0.8052]], dtype=float32)
        """
        measure, _ = SIMILARITY[self.similarity_fn_name]
        return cast(Float32Array, measure(*map(self._as_embeddings, (embeddings1, embeddings2))))

    def similarity_pairwise(self, embeddings1: npt.ArrayLike, embeddings2: npt.ArrayLike) -> Float32Array:
        """Similarities (n,) of the texts or embeddings at the same position: see :meth:`similarity`."""
        _, measure = SIMILARITY[self.similarity_fn_name]
        return cast(Float32Array, measure(*map(self._as_embeddings, (embeddings1, embeddings2))))

    def _as_embeddings(self, x: npt.ArrayLike) -> Float32Array:
        return self.encode(x) if is_text(x) else np.asarray(as_floats(x), np.float32)

    def explain(self, a: str, b: str) -> Explanation:
        """Explain the score of two texts: their cosine as a sum over pairs of tokens.

        Parameters
        ----------
        a, b : str
            They are cut at ``max_seq_length``, which the result says of each. A default prompt goes before
            them, as in :meth:`encode`, and its tokens count as special ones.

        Raises
        ------
        TypeError
            If ``a`` or ``b`` is not a str.
        ValueError
            If one has a lone surrogate, or the checkpoint has a Dense module after pooling.

        Examples
        --------
        >>> explanation = MiniLM().explain("A girl is styling her hair.", "A girl is brushing her hair.")
        >>> explanation.contributions.shape, round(float(explanation.contributions.sum()), 4)
        ((9, 9), 0.8052)
        """
        texts = [check_text("a", a), check_text("b", b)]
        tokenized, spans = self.pipeline.tokenize_with_spans(texts, self.pipeline.prompt_text())
        return self.head.explain(spans, self.token_embeddings(tokenized.input_ids))

    def tokenize(self, texts: str | Iterable[str]) -> dict[str, Int64Array]:
        """Token ids as the encoder gets them; texts are cut at ``max_seq_length`` without a warning.

        Returns
        -------
        dict of ndarray of int64, each of shape (B, L)
            ``input_ids``, ``token_type_ids`` and ``attention_mask`` of B texts, padded to the longest.

        Examples
        --------
        >>> MiniLM().tokenize(["hello world", "hello"])["input_ids"]
        array([[ 101, 7592, 2088,  102],
               [ 101, 7592,  102,    0]])
        """
        inputs, _ = as_texts(texts)
        ids = [row for window in self.pipeline.tokenize(inputs, Counts()) for row in window.input_ids]
        input_ids, mask = pad(ids)
        return {"input_ids": input_ids, "token_type_ids": np.zeros_like(input_ids), "attention_mask": mask}
