"""Answers as JSON; every failure is OpenAI's ``{"error": {"message", "type", "param", "code"}}``."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

logger = logging.getLogger(__name__)

TYPES = {401: "authentication_error", 404: "not_found_error", 503: "service_unavailable"}


def json_response(value: object) -> Response:
    """Answer with ``value``, which may hold numpy arrays, as JSON."""
    return Response(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


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

    def response(self) -> Response:
        """OpenAI's error object, in ASCII: text of a client may have no UTF-8 form."""
        status = self.status_code
        kind = TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        error = {"message": self.detail, "type": kind, "param": self.param, "code": self.code}
        return Response(json.dumps({"error": error}), status, self.headers, media_type="application/json")


async def refused_response(_: Request, error: HTTPException) -> Response:
    """The answer to a request that was refused, or whose body broke the JSON parser."""
    if isinstance(error, RequestError):
        return error.response()
    if error.status_code == 400 and error.__cause__ is not None:
        is_deep = isinstance(error.__cause__, RecursionError)
        message = f"the body is not valid JSON: {'it is nested too deeply' if is_deep else error.__cause__}"
        return RequestError(400, message, code="invalid_json").response()
    return RequestError(error.status_code, str(error.detail), headers=error.headers).response()


async def invalid_response(_: Request, error: RequestValidationError) -> Response:
    """The answer to a body that is not JSON (400) or not of the right shape (422)."""
    # An input may have one of several forms: report the error of the form that fits furthest.
    first = max(error.errors(), key=_place)
    if first["type"] == "json_invalid":
        message = f"the body is not valid JSON: {first.get('ctx', {}).get('error', first['msg'])}"
        return RequestError(400, message, code="invalid_json").response()
    if isinstance(error.body, bytes):  # FastAPI parses a body only if its type is JSON
        return RequestError(422, "the body must come with Content-Type: application/json").response()
    # Leave out the alternatives that pydantic tried ("str", "list[str]", "function-...").
    place = [
        str(part)
        for part in first["loc"][1:]
        if isinstance(part, int) or (str(part).isidentifier() and part != "str")
    ]
    param = ".".join(place) or None
    return RequestError(422, f"{param or 'the body'}: {first['msg']}", param=param).response()


async def failed_response(request: Request, error: Exception) -> Response:
    """The answer to a request that met a bug."""
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return RequestError(500, "the server failed; its log says why").response()


def _place(error: Mapping[str, Any]) -> tuple[int, list[int]]:
    """How deep in the body an error is, and at which elements of its lists."""
    return len(error["loc"]), [part for part in error["loc"] if isinstance(part, int)]
