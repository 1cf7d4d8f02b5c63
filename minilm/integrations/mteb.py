"""MTEB: an encoder for its tasks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_meta import ModelMeta, ScoringFunction

from minilm._arrays import Float32Array
from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import ModelOrName, as_model


class MiniLMEncoder(AbsEncoder):
    """An encoder for ``mteb.evaluate``.

    Parameters
    ----------
    model_name : MiniLM, str or PathLike
        A model, a directory or a name on the Hub.
    """

    def __init__(self, model_name: ModelOrName = DEFAULT_MODEL) -> None:
        self.model = as_model(model_name)
        self.model_prompts = {name: text for name, text in self.model.prompts.items() if text}
        config, checkpoint = self.model.config, self.model.checkpoint
        unknown = ["loader", "release_date", "languages", "n_parameters", "memory_usage_mb", "license"]
        unknown += ["public_training_code", "public_training_data", "training_datasets"]
        self.mteb_model_meta = ModelMeta(
            **dict.fromkeys(unknown),
            name=checkpoint.repo_id or f"local/{checkpoint.directory.name}",
            revision=checkpoint.revision,
            max_tokens=self.model.max_seq_length,
            embed_dim=self.model.get_embedding_dimension(),
            open_weights=True,
            framework=["NumPy"],
            similarity_fn_name=ScoringFunction(self.model.similarity_fn_name),
            use_instructions=bool(self.model_prompts),
            n_embedding_parameters=config.vocab_size * config.hidden_size,
        )

    def encode(
        self,
        inputs: Iterable[dict[str, Any]],
        *,
        task_metadata: Any,  # noqa: ANN401 - mteb.TaskMetadata
        hf_split: str,  # noqa: ARG002 - the protocol's argument
        hf_subset: str,  # noqa: ARG002 - the protocol's argument
        prompt_type: Any = None,  # noqa: ANN401 - mteb.types.PromptType
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        **options: Any,  # noqa: ANN401 - options of encode
    ) -> Float32Array:
        """Return embeddings (n, E) of the texts in all batches, with the prompt that MTEB's rules choose."""
        return self.model.encode(
            (text for batch in inputs for text in batch["text"]),
            prompt_name=self.get_prompt_name(task_metadata, prompt_type),
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            **options,
        )

    def similarity(self, embeddings1: Float32Array, embeddings2: Float32Array) -> Float32Array:
        """Return the similarity (n, m) of every embedding with every other, by the model's function."""
        return self.model.similarity(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Float32Array, embeddings2: Float32Array) -> Float32Array:
        """Return the similarities (n,) of pairs, by the model's function."""
        return self.model.similarity_pairwise(embeddings1, embeddings2)
