"""text-embeddings-inference's ``/predict``: which label a text or a pair of texts has."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import APIRouter, Depends, Response

from minilm._arrays import AnyArray
from minilm.activations import Activation, identity, sigmoid, softmax
from minilm.server.cross_encoding import CrossEncoding
from minilm.server.responses import RequestError, error_responses, json_response
from minilm.server.schemas.classification import ClassificationParameters, Prediction, PredictRequest
from minilm.server.schemas.text_embeddings_inference import TextEmbeddingsInferenceError

_FUNCTIONS: dict[str, Activation] = {"sigmoid": sigmoid, "softmax": softmax, "none": identity}


def classification_routes(classifier: CrossEncoding | None) -> APIRouter:
    """Return the route for labels; without a classifier it says that there is none."""
    router = APIRouter(
        tags=["text-embeddings-inference"], responses=error_responses(TextEmbeddingsInferenceError)
    )

    def model() -> CrossEncoding:  # also a dependency: without one, no body is right
        if classifier is None:
            raise RequestError(404, "this server has no classifier: start it with --classifier MODEL")
        return classifier

    @router.post(
        "/predict",
        response_model=list[Prediction] | list[list[Prediction]],
        dependencies=[Depends(model)],
    )
    async def predict(request: PredictRequest) -> Response:
        """The labels of a text, a pair or a list of them, with their probabilities, the most likely first."""
        logits, truncated = await model().logits(
            request.texts_or_pairs, truncate=request.truncate, side=request.truncation_direction
        )
        parameters = request.parameters or ClassificationParameters()
        name = "none" if request.raw_scores else parameters.function_to_apply
        scores = (_FUNCTIONS[name] if name else model().probability)(logits)  # (n, num_labels)
        predictions = [sorted_predictions(row, model().labels)[: parameters.top_k] for row in scores]
        return json_response(predictions if request.is_batch else predictions[0], truncated)

    return router


def sorted_predictions(scores: AnyArray, labels: list[str]) -> list[dict[str, Any]]:
    """Return scores with their labels, the highest first; of equal ones the label that comes first."""
    order = np.argsort(-scores, kind="stable")
    return [{"score": float(scores[index]), "label": labels[index]} for index in order]
