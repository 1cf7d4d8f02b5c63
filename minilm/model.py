"""MiniLM: texts in, embeddings out. The class that most people import.

A text becomes token ids in ``tokenizer.py``, hidden states in ``fast/packed.py`` and an embedding in
``heads.py``. ``_pipeline.py`` takes texts along that path; ``_loading.py`` reads the checkpoint.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from minilm._arguments import (
    NamesItsLikeness,
    check_call,
    constructor_options,
    encode_others,
    positive_int,
)
from minilm._arrays import Float32Array, Int64Array, as_tensors, is_tensor, no_float_errors
from minilm._loading import load, make_engine, read_embedder
from minilm._options import EmbedderOptions
from minilm._pipeline import DOCUMENT_PROMPTS, QUERY_PROMPTS, Counts, Pipeline, all_rows
from minilm._signatures import encode_signature
from minilm.errors import TruncationWarning, warn_caller
from minilm.explanation import Explanation
from minilm.fast.blas import blas_info, kernel_advice
from minilm.heads import OutputValue, check_output, features, token_vectors
from minilm.hub import DEFAULT_MODEL
from minilm.pooling import Pooling
from minilm.quantization import Precision, quantize_embeddings
from minilm.similarity import SIMILARITY, SimilarityFunction
from minilm.text.inputs import as_texts, check_text, is_text

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from minilm._arguments import TorchOnly
    from minilm._signatures import MiniLMOptions


logger = logging.getLogger(__name__)


class MiniLM(EmbedderOptions, metaclass=NamesItsLikeness):
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
        Cores to use, no more than the system gives. None: all, or what the control group's quota allows.
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
        ``trust_remote_code`` ...). A value that asks for what minilm does anyway is taken (``"cpu"``,
        ``"torch"``, ``{}``, ``True``). Any other is refused, with the reason.

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
        prompts: Mapping[str, str | None] | None = None,
        default_prompt_name: str | None = None,
        similarity_fn_name: str | SimilarityFunction | None = None,
        truncate_dim: int | None = None,
        **torch_only: Unpack[TorchOnly],
    ) -> None:
        if torch_only:
            token, max_seq_length = constructor_options(torch_only, token, max_seq_length)
        self.checkpoint, parts = load(
            model_name_or_path,
            read_embedder,
            revision=revision,
            cache_folder=cache_folder,
            local_files_only=local_files_only,
            token=token,
        )
        self.config, parameters, tokenizer, self.head = parts[:4]
        engine = make_engine(self.checkpoint, parameters, threads)
        self.pipeline = Pipeline(tokenizer, engine, parts.prompts.prompts, parts.prompts.default_prompt_name)
        if prompts or default_prompt_name is not None:
            self.pipeline.update_prompts(prompts, default_prompt_name)
        self._similarity_fn_name = parts.prompts.similarity_fn_name
        if similarity_fn_name is not None:
            self.similarity_fn_name = similarity_fn_name
        if max_seq_length is not None:
            self.max_seq_length = max_seq_length
        dim = parts.prompts.truncate_dim if truncate_dim is None else truncate_dim
        self._truncate_dim = None if dim is None else positive_int("truncate_dim", dim)
        self.normalize = self.config.normalize
        if logger.isEnabledFor(logging.INFO):
            blas = f"{blas_info()}; {engine.threads} cores; {kernel_advice() or 'nothing to improve'}"
            logger.info("%s from %s; BLAS: %s", self, self.checkpoint.source, blas)

    @classmethod
    def from_pretrained(
        cls, model_name_or_path: str | os.PathLike[str] = DEFAULT_MODEL, **options: Unpack[MiniLMOptions]
    ) -> Self:
        """Load a checkpoint: the constructor, as transformers calls it."""
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
        inputs: str | Iterable[Any] | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: OutputValue | None = "sentence_embedding",
        precision: Precision | None = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: object = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        pool: Mapping[str, Any] | None = None,
        chunk_size: int | None = None,
        *,
        pooling: Pooling | Sequence[Pooling] | None = None,
        **others: Any,  # noqa: ANN401 - checked by name
    ) -> Any:  # noqa: ANN401 - encode_signature has the types
        """Embeddings of one text or of many.

        Parameters
        ----------
        inputs : str or iterable of str
            One text, or a list, tuple, numpy array, pandas Series, column of pyarrow or generator of n texts.
            Instead of a text there may be a pair of texts, which become one sequence: ``["title", "text"]``.
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
        precision : {"float32", "int8", "uint8", "binary", "ubinary"}, optional
            A smaller type, None is float32: see :func:`minilm.util.quantize_embeddings`. The ranges of int8
            and uint8 are those of the embeddings of this call.
        normalize_embeddings : bool
            Scale each embedding to length 1, after the cut at ``truncate_dim``. A checkpoint with a Normalize
            module, such as all-MiniLM-L6-v2, does so before the cut; see :attr:`normalize`.
        truncate_dim : int, optional
            Keep the first components only, for models trained to allow it ("Matryoshka"). None is
            :attr:`truncate_dim`.
        pooling : str or sequence of str, optional
            How the token vectors of a text become one: "mean", "cls", "max", "mean_sqrt_len_tokens",
            "weightedmean" or "lasttoken", or several of them concatenated. None is as the checkpoint says.
        convert_to_tensor, convert_to_numpy : bool
            Return a tensor of torch, which must be installed; without ``convert_to_numpy`` a list of them.
        device, pool, chunk_size
            Where and in which pieces to compute: the CPU, a list of it, and what
            :meth:`start_multi_process_pool` returns are taken; any other value is refused, with the reason.
        **others
            ``sentences``, the former name of ``inputs``; ``task``, which no checkpoint of minilm uses.

        Returns
        -------
        ndarray of float32, shape (E,) or (n, E), or a list
            (E,) for a single str, else one row per text, in the order given. For "token_embeddings" one array
            (n_tokens, E) per text. For None one dict per text, of ``input_ids``, ``token_type_ids`` (if the
            tokenizer has them), ``attention_mask`` (n_tokens,), ``token_embeddings`` (n_tokens, E),
            ``sentence_embedding`` (E,), ``modality`` ("text"), and with a prompt its ``prompt_length`` in
            tokens, ``[CLS]`` included.

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
        if others:
            inputs = encode_others(inputs, others)
        if device is not None or pool is not None or chunk_size is not None:
            check_call(device, pool, chunk_size)
        check_output(output_value, precision, pooling, normalize_embeddings)
        dim = self._truncate_dim if truncate_dim is None else positive_int("truncate_dim", truncate_dim)
        is_normalized = bool(normalize_embeddings) and output_value is not None
        embed = self.head.embedder(pooling, self.normalize, dim, is_normalized)
        texts, is_single = ([inputs], True) if isinstance(inputs, str) else as_texts(inputs)
        prompt_text = self.pipeline.prompt_text(prompt, prompt_name)
        counts = Counts()
        run = self.pipeline.run(
            texts,
            embed if output_value == "sentence_embedding" else token_vectors,
            counts=counts,
            prompt_text=prompt_text,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
        )
        if output_value == "token_embeddings":
            results: Any = [tokens for _, window in run for tokens in window]
        elif output_value is None:
            more = self.pipeline.prompt_length(prompt_text), self.tokenizer.has_token_types
            results = [row for tokenized, window in run for row in features(tokenized, window, embed, *more)]
        elif is_single:
            [(_, results)] = run
        else:
            results = all_rows(run, texts, min(self.head.width(pooling), dim or sys.maxsize))
        if counts.truncated:
            warn_caller(self.pipeline.truncation_message(counts), TruncationWarning)
        if precision not in (None, "float32"):
            results = quantize_embeddings(results, precision)
        results = results[0] if is_single else results
        is_array = convert_to_numpy and not convert_to_tensor
        return results if is_array else as_tensors(results, convert_to_tensor or is_single)

    @encode_signature
    def encode_query(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as encode
        """Like :meth:`encode`, for queries: with the prompt "query", unless a prompt is given."""
        return self._encode_for("query", QUERY_PROMPTS, arguments, options)

    @encode_signature
    def encode_document(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as encode
        """Like :meth:`encode`, for documents: with the prompt "document", "passage" or "corpus".

        "document" always exists, and may be empty: for one that is called "passage" give its name. With
        ``long_texts="split"``, a text that would be cut gets the mean of its pieces' vectors, weighted by
        their tokens. With "cut", the default, the rest of it is not encoded.
        """
        return self._encode_for("document", DOCUMENT_PROMPTS, arguments, options)

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
            Each with 1 to ``config.longest_input`` ids below ``config.vocab_size``.
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

    @no_float_errors
    def similarity(self, embeddings1: Any, embeddings2: Any) -> Float32Array:  # noqa: ANN401 - see below
        """Similarity of each text or embedding with each, by :attr:`similarity_fn_name`: (n, m).

        Parameters
        ----------
        embeddings1, embeddings2 : array_like of float, or str, or sequence of str
            Embeddings, shape (E,) or (n, E), also as a column or generator; or texts. Tensors give a tensor.

        Examples
        --------
        >>> model = MiniLM()
        >>> model.similarity("A girl is styling her hair.", ["A girl is brushing her hair."]).round(4)
        array([[0.8052]], dtype=float32)
        """
        measure, _ = SIMILARITY[self.similarity_fn_name]
        return cast(Float32Array, measure(*map(self._as_embeddings, (embeddings1, embeddings2))))

    @no_float_errors
    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Float32Array:  # noqa: ANN401 - as above
        """Similarities (n,) of the texts or embeddings at the same position: see :meth:`similarity`."""
        _, measure = SIMILARITY[self.similarity_fn_name]
        return cast(Float32Array, measure(*map(self._as_embeddings, (embeddings1, embeddings2))))

    def _as_embeddings(self, x: Any) -> Any:  # noqa: ANN401 - as above
        x = [*x] if isinstance(x, Iterator) else x
        return self.encode(x) if not is_tensor(x) and is_text(x) else x

    def explain(self, a: str, b: str) -> Explanation:
        """Explain the score of two texts: their cosine as a sum over pairs of tokens.

        Parameters
        ----------
        a, b : str
            They are cut at ``max_seq_length``, which the result says of each. The tokens of a default prompt
            count as special ones.

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
        """:meth:`preprocess` without a prompt.

        Examples
        --------
        >>> MiniLM().tokenize(["hello world", "hello"])["input_ids"]
        array([[ 101, 7592, 2088,  102],
               [ 101, 7592,  102,    0]])
        """
        return self.preprocess(texts)
