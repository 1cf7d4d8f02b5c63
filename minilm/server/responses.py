"""What all routes share: answers as JSON, their types, and vectors in the form that a request asks for."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
from fastapi import Response

from minilm._arrays import Float32Array
from minilm.model import MiniLM
from minilm.pooling import normalize
from minilm.server.errors import RequestError


def json_response(value: object) -> Response:
    """Answer with ``value``, which may hold numpy arrays, as JSON."""
    return Response(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


def answers(model: object) -> dict[int | str, dict[str, Any]]:
    """The type of an answer, for the OpenAPI document. Answers are not made of it, for speed."""
    return {200: {"model": model}}


def checked_dimensions(dimensions: int | None, model: MiniLM) -> int:
    """The number of components that a request asks for."""
    width = model.embedding_dimension
    if dimensions is not None and dimensions > width:
        message = f"dimensions must lie in 1 to {width}, not {dimensions}"
        raise RequestError(422, message, param="dimensions")
    return dimensions or width


def shortened(vectors: Float32Array, width: int, *, is_normalized: bool) -> Float32Array:
    """The first ``width`` components of each vector, scaled to length 1 if ``is_normalized``."""
    first = vectors[:, :width]
    return np.ascontiguousarray(normalize(first) if is_normalized else first, dtype=np.float32)
