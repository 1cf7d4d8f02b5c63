"""Answers as JSON."""

from __future__ import annotations

import orjson
from fastapi import Response


def json_response(value: object) -> Response:
    """Answer with ``value``, which may hold numpy arrays, as JSON."""
    return Response(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
