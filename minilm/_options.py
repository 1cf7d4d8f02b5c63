"""Options of a model that may be set after it was loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from minilm._arguments import (
    ENCODE_ARGUMENTS,
    Pool,
    TorchMethods,
    by_place,
    positive_int,
    renamed,
    unknown_name,
)
from minilm._arrays import Int64Array
from minilm._pipeline import Counts, Pipeline
from minilm._signatures import EncodeMethod
from minilm.checkpoint.modules import Kind
from minilm.checkpoint.save import write_settings
from minilm.config import ModelConfig
from minilm.heads import EmbeddingHead
from minilm.hub import Checkpoint, copy_checkpoint
from minilm.pooling import Pooling
from minilm.similarity import SIMILARITY, SimilarityFunction
from minilm.text.inputs import as_texts
from minilm.text.long_texts import encode_long_texts, splits_long_texts
from minilm.tokenizer import Tokenizer, pad


class PipelineOptions(TorchMethods):
    """Options that :class:`minilm.MiniLM` and :class:`minilm.CrossEncoder` have in common."""

    checkpoint: Checkpoint  # the files and their origin
    config: ModelConfig  # the checkpoint's configuration
    pipeline: Pipeline  # turns texts into token ids and runs the encoder

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, which cuts at ``max_seq_length``."""
        return self.pipeline.tokenizer

    @property
    def prompts(self) -> dict[str, str]:
        """Texts to put before what is encoded, by name; may be set, and then has no others."""
        return self.pipeline.prompts

    @prompts.setter
    def prompts(self, value: Mapping[str, str | None]) -> None:
        if value is None:
            raise TypeError("prompts must map names to texts, not be None: set {} for none")
        previous, self.pipeline.prompts = self.pipeline.prompts, {}
        try:
            self.pipeline.update_prompts(value)
        except (TypeError, ValueError):
            self.pipeline.prompts = previous
            raise

    @property
    def default_prompt_name(self) -> str | None:
        """The prompt that is used when none is given; may be set, also to None."""
        return self.pipeline.default_prompt_name

    @default_prompt_name.setter
    def default_prompt_name(self, value: str | None) -> None:
        self.pipeline.update_prompts(default_prompt_name=value)
        self.pipeline.default_prompt_name = value

    def resolve_prompt(self, prompt: str | None = None, prompt_name: str | None = None) -> str:
        """The text that goes before every text: ``prompt``, or the one of that name, or the default."""
        return self.pipeline.prompt_text(prompt, prompt_name)

    def _choose_prompt(self, given: dict[str, Any], names: Iterable[str]) -> None:
        """Give encode's arguments the first prompt of ``names`` that exists, if they choose none."""
        if given.get("prompt_name") is None and given.get("prompt") is None:
            given["prompt_name"] = next((name for name in names if name in self.prompts), None)

    @property
    def max_seq_length(self) -> int:
        """Tokens that are kept of a text or pair, special tokens included; may be set."""
        return self.tokenizer.max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, value: int) -> None:
        self.tokenizer.max_seq_length = self._checked_length("max_seq_length", value)

    def _checked_length(self, argument: str, value: object) -> int:
        """Return a length that the model can have, or raise an error that names the argument."""
        least, most = self._shortest_input, self.config.longest_input
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"{argument} must be an int, not {type(value).__name__}")
        if not least <= value <= most:
            raise ValueError(f"{argument} must lie in {least} to {most} for this model, not {value}")
        return int(value)

    def get_max_seq_length(self) -> int:
        """:attr:`max_seq_length`, as sentence-transformers also calls it."""
        return self.max_seq_length

    @property
    def _shortest_input(self) -> int:
        """Tokens of the shortest input that has more than special tokens."""
        return 3

    def save_pretrained(
        self,
        path: str | Path,
        model_name: object = None,  # noqa: ARG002 - about model cards, which are not written
        create_model_card: object = True,  # noqa: ARG002
        train_datasets: object = None,  # noqa: ARG002
        safe_serialization: bool = True,
    ) -> None:
        """Copy the checkpoint to a folder, with the settings that the model has now."""
        if not safe_serialization:
            raise ValueError("safe_serialization=False is not supported: minilm writes no pickles")
        settings, directory = self._settings(), copy_checkpoint(self.checkpoint, path)
        write_settings(
            directory,
            settings,
            max_seq_length=self.max_seq_length,
            kind=self._kind,
            truncation_side=self.tokenizer.new_truncation_side,
        )

    save = save_pretrained
    _kind: ClassVar[Kind] = "CrossEncoder"

    def _settings(self) -> dict[str, Any]:
        """Return the settings that may be set, under their names in config_sentence_transformers.json."""
        return {"prompts": self.prompts, "default_prompt_name": self.default_prompt_name}

    def preprocess(self, inputs: Iterable[Any], prompt: str | None = None) -> dict[str, Int64Array]:
        """Token ids as the encoder gets them; inputs are cut at ``max_seq_length`` without a warning.

        Returns
        -------
        dict of ndarray of int64, each of shape (B, L)
            ``input_ids``, ``attention_mask``, and ``token_type_ids`` if the model has them; of B inputs,
            padded to the longest.
        """
        texts = self._checked_inputs(inputs)
        windows = [*self.pipeline.tokenize(texts, Counts(), self.pipeline.prompt_text(prompt or ""))]
        rows = [row for window in windows for row in window.input_ids]
        input_ids, mask = pad(rows, pad_token_id=self.tokenizer.pad_token_id)
        if not self.tokenizer.has_token_types:
            return {"input_ids": input_ids, "attention_mask": mask}
        types = [row for window in windows for row in window.token_type_ids or [[0]] * len(window.input_ids)]
        return {"input_ids": input_ids, "token_type_ids": pad(types)[0] * mask, "attention_mask": mask}

    def _checked_inputs(self, inputs: Any) -> Iterable[Any]:  # noqa: ANN401 - whatever a caller gives
        return as_texts(inputs)[0]

    @property
    def threads(self) -> int:
        """Cores that the encoder uses; may be set."""
        return self.pipeline.engine.threads

    @threads.setter
    def threads(self, value: int) -> None:
        self.pipeline.engine.threads = positive_int("threads", value)


class EmbedderOptions(PipelineOptions):
    """Options of :class:`minilm.MiniLM`."""

    head: EmbeddingHead  # makes embeddings of hidden states
    encode: EncodeMethod
    normalize: bool  # whether embeddings are scaled to length 1; may be set
    _truncate_dim: int | None
    _similarity_fn_name: str

    def _encode_for(
        self, task: str, names: tuple[str, ...], arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:  # noqa: ANN401 - as encode
        """Call encode with the first prompt of ``names`` that exists, if the arguments choose none."""
        places = by_place(ENCODE_ARGUMENTS, arguments, renamed(options, "sentences"))
        given = {"prompt_name": None, "prompt": None, **places, **options}
        self._choose_prompt(given, names)
        if task == "document" and splits_long_texts(given):
            return encode_long_texts(self, given)
        return self.encode(**given, task=task)

    @contextmanager
    def truncate_embeddings(self, truncate_dim: int | None) -> Iterator[None]:
        """Cut embeddings at ``truncate_dim`` components, in a ``with`` block."""
        previous, self.truncate_dim = self.truncate_dim, truncate_dim
        try:
            yield
        finally:
            self.truncate_dim = previous

    truncate_sentence_embeddings = truncate_embeddings  # the former name

    def encode_multi_process(
        self,
        sentences: Iterable[Any],
        pool: Pool,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        chunk_size: int | None = None,
        **options: Any,  # noqa: ANN401 - as encode
    ) -> Any:  # noqa: ANN401 - as encode
        """Return what :meth:`encode` returns, the former name for a pool; all cores are used by itself."""
        return self.encode(
            sentences, prompt_name, prompt, batch_size, pool=pool, chunk_size=chunk_size, **options
        )

    def is_singular_input(self, inputs: object) -> bool:
        """Whether an input of encode is one text, and not several."""
        is_several = isinstance(inputs, np.ndarray) and inputs.ndim > 0 and inputs.dtype.kind in "UO"
        return not (is_several or isinstance(inputs, (list, tuple)))

    def set_pooling_include_prompt(self, include_prompt: bool) -> None:
        """Take True only: the tokens of a prompt are pooled as well."""
        if include_prompt is not True:
            raise ValueError(f"include_prompt={include_prompt!r} is not supported: prompts are pooled too")

    def _settings(self) -> dict[str, Any]:
        if self.normalize != self.config.normalize:
            raise ValueError("normalize was set, which no file of a checkpoint can say: set it back to save")
        return super()._settings() | {
            "similarity_fn_name": self.similarity_fn_name,
            "truncate_dim": self.truncate_dim,
        }

    _kind = "SentenceTransformer"

    @property
    def truncate_dim(self) -> int | None:
        """Components of an embedding that are kept, None for all; may be set."""
        return self._truncate_dim

    @truncate_dim.setter
    def truncate_dim(self, value: int | None) -> None:
        self._truncate_dim = None if value is None else positive_int("truncate_dim", value)

    @property
    def embedding_dimension(self) -> int:
        """Components of an embedding before any truncation: 384 for all-MiniLM-L6-v2."""
        return self.head.width()

    def get_embedding_dimension(self, pooling: Pooling | Sequence[Pooling] | None = None) -> int:
        """Components of an embedding as encode returns it, after the cut at ``truncate_dim``."""
        width = self.head.width(pooling)
        return min(width, self.truncate_dim or width)

    get_sentence_embedding_dimension = get_embedding_dimension  # the former name, still in wide use

    @property
    def similarity_fn_name(self) -> str:
        """What :meth:`similarity` computes: "cosine", "dot", "euclidean" or "manhattan"; may be set."""
        return self._similarity_fn_name

    @similarity_fn_name.setter
    def similarity_fn_name(self, value: str | SimilarityFunction | None) -> None:
        value = value.value if isinstance(value, SimilarityFunction) else value
        value = "cosine" if value is None else value
        if not isinstance(value, str) or value not in SIMILARITY:
            raise unknown_name("similarity_fn_name", value, SIMILARITY)
        self._similarity_fn_name = value
