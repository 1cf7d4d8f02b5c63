"""scikit-learn: a transformer from texts to embeddings, for pipelines and searches over parameters."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin

from minilm._arguments import KnownAttributes
from minilm._arrays import Float32Array
from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import as_model
from minilm.quantization import truncate_embeddings


class MiniLMVectorizer(KnownAttributes, TransformerMixin, BaseEstimator):
    """A transformer from texts to embeddings. It has nothing to fit: ``transform`` may come first.

    The model is loaded once per process, however often the transformer is cloned. A pickle holds the
    parameters, not the weights.

    Parameters
    ----------
    model_name_or_path : str or PathLike
        A directory or a name on the Hub.
    prompt : str, optional
        A text to put before every text; None is the checkpoint's default prompt.
    normalize_embeddings : bool
        Scale each embedding to length 1, also where the checkpoint does not.
    truncate_dim : int, optional
        The number of components to keep; None keeps all.
    batch_size : int
        As for :meth:`minilm.MiniLM.encode`.
    """

    model_name_or_path: str | os.PathLike[str]
    prompt: str | None
    normalize_embeddings: bool
    truncate_dim: int | None
    batch_size: int

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str] = DEFAULT_MODEL,
        *,
        prompt: str | None = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        batch_size: int = 32,
    ) -> None:
        self.model_name_or_path = model_name_or_path
        self.prompt = prompt
        self.normalize_embeddings = normalize_embeddings
        self.truncate_dim = truncate_dim
        self.batch_size = batch_size

    def fit(self, X: Iterable[str], y: object = None) -> MiniLMVectorizer:  # noqa: N803, ARG002 - their names
        """Load the model, so that a wrong name is an error here; the texts are not read."""
        as_model(self.model_name_or_path)
        return self

    def transform(self, X: Iterable[str]) -> Float32Array:  # noqa: N803 - scikit-learn's name
        """Return embeddings (n, E) of n texts, also of a frame or an array (n, 1) with one column.

        Raises
        ------
        ValueError
            If ``X`` is a single string, or has several columns.
        TypeError
            If ``X`` holds anything that is not text.
        """
        return as_model(self.model_name_or_path).encode(
            _one_column(X),
            prompt=self.prompt,
            batch_size=self.batch_size,
            normalize_embeddings=self.normalize_embeddings,
            truncate_dim=self.truncate_dim,
        )

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:  # noqa: ARG002
        """Return one name per component: "minilm0", "minilm1" ..."""
        embedding = np.empty(as_model(self.model_name_or_path).get_embedding_dimension())
        width = len(truncate_embeddings(embedding, self.truncate_dim))
        return np.array([f"minilm{i}" for i in range(width)], dtype=object)

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - sklearn.utils.Tags
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.requires_fit = False
        return tags


def _one_column(X: Any) -> Any:  # noqa: ANN401, N803 - whatever a pipeline gives
    """Return the texts of a column, which a ColumnTransformer gives as a frame or an array (n, 1)."""
    if isinstance(X, str):
        raise ValueError("X must be a sequence of texts, not a single str")
    shape: tuple[int, ...] = getattr(X, "shape", ())
    if len(shape) != 2:
        return X
    if shape[1] != 1:
        raise ValueError(f"X must have one column of texts, not {shape[1]}: pass df['text'], or df[['text']]")
    return X.to_numpy()[:, 0] if hasattr(X, "to_numpy") else np.asarray(X)[:, 0]
