"""minilm/server/responses.py: numpy arrays as JSON."""

from __future__ import annotations

import numpy as np

from minilm.server.responses import json_response


def test_arrays_become_lists() -> None:
    response = json_response({"rows": [np.array([0.5, 2], np.float32)]})
    assert (bytes(response.body), response.media_type) == (b'{"rows":[[0.5,2.0]]}', "application/json")
