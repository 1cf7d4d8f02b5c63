"""Answers as JSON, and failures in the form of the protocol that was asked."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from minilm.server.error_forms import error_form

logger = logging.getLogger(__name__)


def json_response(value: object) -> Response:
    """Answer with ``value``, which may hold numpy arrays, as JSON."""
    return Response(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


def error_responses(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """For the OpenAPI document: every failure of a protocol's routes is a ``model``."""
    return {"4XX": {"model": model}, "5XX": {"model": model}}


class RequestError(HTTPException):
    """A request is refused: the status, what was wrong, and which field."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.param, self.code = param, code

    def response(self, path: str = "") -> Response:
        """The answer to a request for ``path``, in ASCII: text of a client may have no UTF-8 form."""
        status, error = error_form(path)(self.status_code, self.detail, self.param, self.code)
        return Response(json.dumps(error), status, self.headers, media_type="application/json")


async def refused_response(request: Request, error: HTTPException) -> Response:
    """The answer to a request that was refused, or whose body broke the JSON parser."""
    path = request.url.path
    if isinstance(error, RequestError):
        return error.response(path)
    if error.status_code == 400 and error.__cause__ is not None:
        is_deep = isinstance(error.__cause__, RecursionError)
        message = f"the body is not valid JSON: {'it is nested too deeply' if is_deep else error.__cause__}"
        return RequestError(400, message, code="invalid_json").response(path)
    return RequestError(error.status_code, str(error.detail), headers=error.headers).response(path)


async def invalid_response(request: Request, error: RequestValidationError) -> Response:
    """The answer to a body that is not JSON (400) or not of the right shape (422)."""
    path = request.url.path
    # An input may have one of several forms: report the error of the form that fits furthest.
    first = max(error.errors(), key=_place)
    if first["type"] == "json_invalid":
        message = f"the body is not valid JSON: {first.get('ctx', {}).get('error', first['msg'])}"
        return RequestError(400, message, code="invalid_json").response(path)
    if isinstance(error.body, bytes):  # FastAPI parses a body only if its type is JSON
        return RequestError(415, "the body must come with Content-Type: application/json").response(path)
    # Leave out the alternatives that pydantic tried ("str", "list[str]", "function-...").
    place = [
        str(part)
        for part in first["loc"][1:]
        if isinstance(part, int) or (str(part).isidentifier() and part != "str")
    ]
    param = ".".join(place) or None
    return RequestError(422, f"{param or 'the body'}: {first['msg']}", param=param).response(path)


async def failed_response(request: Request, error: Exception) -> Response:
    """The answer to a request that met a bug."""
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return RequestError(500, "the server failed; its log says why").response(request.url.path)


def _place(error: Mapping[str, Any]) -> tuple[int, list[int]]:
    """How deep in the body an error is, and at which elements of its lists."""
    return len(error["loc"]), [part for part in error["loc"] if isinstance(part, int)]
