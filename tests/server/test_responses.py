"""minilm/server/responses.py: numpy arrays as JSON, and vectors of the dimensions that a request asks for."""

from __future__ import annotations

import numpy as np
import pytest

from minilm import MiniLM
from minilm.server.errors import RequestError
from minilm.server.responses import checked_dimensions, json_response, shortened


def test_arrays_become_lists() -> None:
    response = json_response({"rows": [np.array([0.5, 2], np.float32)]})
    assert (bytes(response.body), response.media_type) == (b'{"rows":[[0.5,2.0]]}', "application/json")


def test_vectors_are_cut_first_and_scaled_then() -> None:
    vectors = np.array([[3, 4, 12]], np.float32)
    np.testing.assert_allclose(shortened(vectors, 2, is_normalized=True), [[0.6, 0.8]], rtol=1e-6)
    assert shortened(vectors, 2, is_normalized=False).tolist() == [[3, 4]]


def test_more_dimensions_than_there_are_are_refused(model: MiniLM) -> None:
    assert (checked_dimensions(None, model), checked_dimensions(64, model)) == (384, 64)
    with pytest.raises(RequestError) as error:
        checked_dimensions(385, model)
    assert (error.value.status_code, error.value.param) == (422, "dimensions")
