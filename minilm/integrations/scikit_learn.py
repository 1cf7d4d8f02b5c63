"""scikit-learn: a transformer from texts to embeddings, for pipelines and searches over parameters."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin

from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import as_model
from minilm.quantization import truncate_embeddings


class MiniLMVectorizer(TransformerMixin, BaseEstimator):
    """Texts to embeddings. There is nothing to fit, so that ``transform`` may come first.

    The model is loaded once a process, however often the transformer is cloned; pickled, it is its parameters
    and not the weights.

    Parameters
    ----------
    model_name_or_path : str or PathLike
        A directory or a name on the Hub.
    prompt : str, optional
        A text to put before every text; None is the checkpoint's own.
    normalize_embeddings : bool
        Scale each embedding to length 1, whatever the checkpoint says.
    truncate_dim : int, optional
        Components that are kept; None is all.
    batch_size : int
        As for :meth:`minilm.MiniLM.encode`.
    """

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
        """Load the model, so that a wrong name is told here; texts are not looked at."""
        as_model(self.model_name_or_path)
        return self

    def transform(self, X: Iterable[str]) -> npt.NDArray[np.float32]:  # noqa: N803 - scikit-learn's name
        """Embeddings (n, E) of n texts.

        Raises
        ------
        ValueError
            If ``X`` is a single string: its letters would be taken for texts.
        TypeError
            If ``X`` holds anything that is not text.
        """
        if isinstance(X, str):
            raise ValueError("X must be a sequence of texts, not a single str")
        return as_model(self.model_name_or_path).encode(
            X,
            prompt=self.prompt,
            batch_size=self.batch_size,
            normalize_embeddings=self.normalize_embeddings,
            truncate_dim=self.truncate_dim,
        )

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:  # noqa: ARG002
        """A name for each component: "minilm0", "minilm1" ..."""
        model = as_model(self.model_name_or_path)
        one = np.empty((1, model.get_embedding_dimension()), np.float32)
        width = truncate_embeddings(one, self.truncate_dim).shape[1]
        return np.array([f"minilm{i}" for i in range(width)], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - sklearn.utils.Tags
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.requires_fit = False
        return tags
