"""Every failure as OpenAI's error object: ``{"error": {"message", "type", "param", "code"}}``."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException as StarletteHTTPException

logger = logging.getLogger(__name__)

TYPES = {401: "authentication_error", 404: "not_found_error", 503: "service_unavailable"}


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
        super().__init__(status, message, headers=headers)
        self.param = param
        self.code = code


def error_body(
    status: int, message: str, param: str | None = None, code: str | None = None
) -> dict[str, object]:
    """OpenAI's error object."""
    kind = TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_response(
    status: int,
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The error object as an answer, in ASCII: text of a client may have no UTF-8 form."""
    body = json.dumps(error_body(status, message, param, code))
    return Response(body, status, headers, media_type="application/json")


async def refused_response(_: Request, error: StarletteHTTPException) -> Response:
    """The answer to a request that was refused, or whose body broke the JSON parser."""
    param, code = getattr(error, "param", None), getattr(error, "code", None)
    message = str(error.detail)
    if error.status_code == 400 and error.__cause__ is not None:
        is_deep = isinstance(error.__cause__, RecursionError)
        message = f"the body is not valid JSON: {'it is nested too deeply' if is_deep else error.__cause__}"
        code = "invalid_json"
    return error_response(error.status_code, message, param=param, code=code, headers=error.headers)


async def invalid_response(_: Request, error: RequestValidationError) -> Response:
    """The answer to a body that is not JSON (400) or not of the right shape (422)."""
    # An input may have one of several forms: report the error of the form that fits furthest.
    first = max(error.errors(), key=_place)
    if first["type"] == "json_invalid":
        message = f"the body is not valid JSON: {first.get('ctx', {}).get('error', first['msg'])}"
        return error_response(400, message, code="invalid_json")
    if isinstance(error.body, bytes):  # FastAPI parses a body only if its type is JSON
        return error_response(422, "the body must come with Content-Type: application/json")
    # Leave out the alternatives that pydantic tried ("str", "list[str]", "function-...").
    place = [
        str(part)
        for part in first["loc"][1:]
        if isinstance(part, int) or (str(part).isidentifier() and part != "str")
    ]
    param = ".".join(place) or None
    return error_response(422, f"{param or 'the body'}: {first['msg']}", param=param)


async def failed_response(request: Request, error: Exception) -> Response:
    """The answer to a request that met a bug."""
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return error_response(500, "the server failed; its log says why")


def _place(error: Mapping[str, Any]) -> tuple[int, list[int]]:
    """How deep in the body an error is, and at which elements of its lists."""
    return len(error["loc"]), [part for part in error["loc"] if isinstance(part, int)]
