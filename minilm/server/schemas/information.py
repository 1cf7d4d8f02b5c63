"""The answer of text-embeddings-inference's /info."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class EmbeddingModel(BaseModel):
    """How the vector of a text is made of those of its tokens."""

    pooling: str


class ModelType(BaseModel):
    """What kind of model it is."""

    embedding: EmbeddingModel


class InfoAnswer(BaseModel):
    """The served model and the limits, under the names of text-embeddings-inference."""

    model_config = ConfigDict(protected_namespaces=())  # before 2.10 pydantic warns of names like model_id

    model_id: str
    model_sha: str | None = Field(description="The commit on the Hub; null for a directory.")
    model_dtype: str
    served_model_name: str
    model_type: ModelType
    max_concurrent_requests: int = Field(description="Requests of one empty text that fit in the queue.")
    max_input_length: int = Field(description="Tokens that are read of a text.")
    max_batch_tokens: int = Field(description="Tokens that are encoded together.")
    max_batch_requests: int | None = Field(description="Null: only tokens are counted.")
    max_client_batch_size: int = Field(description="Texts per request.")
    auto_truncate: bool = Field(description="Whether long texts are cut unless a request says otherwise.")
    tokenization_workers: int = Field(description="Cores that split texts into tokens.")
    version: str = Field(description="The version of minilm.")
    sha: str | None
    docker_label: str | None
