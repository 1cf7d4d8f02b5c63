"""Answers as JSON, and failures in the form of the protocol that was asked."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from minilm._arrays import AnyArray
from minilm.server.error_forms import error_form
from minilm.server.validation import explain

CLIENT_LEFT = 499  # in metrics and logs only: the client left before it had an answer; nginx has this number
MOST_NAMED = 200  # in a header: proxies have 4 KiB for all headers

logger = logging.getLogger(__name__)


def json_response(
    value: object, truncated: Sequence[int | str] = (), unfamiliar: Sequence[int | str] = ()
) -> Response:
    """Answer with ``value``, which may hold numpy arrays, as JSON.

    Headers name the texts that were ``truncated``, and the ``unfamiliar`` ones, which the model can hardly
    read: the number of them, and the first ones.
    """
    headers = {}
    for name, texts in (("X-Truncated", truncated), ("X-Unfamiliar", unfamiliar)):
        if texts:
            headers[f"{name}-Count"] = str(len(texts))
            headers[name] = ",".join(map(str, texts[:MOST_NAMED]))
    content = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, headers=headers, media_type="application/json")


def base64_floats(array: AnyArray) -> str:
    """Return an array as OpenAI's ``encoding_format`` "base64" has it: little-endian float32, row by row."""
    return base64.b64encode(array.astype("<f4").tobytes()).decode()


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
        reason = str(error.__cause__)
        if isinstance(error.__cause__, RecursionError):
            reason = "it is nested too deeply"
        elif "int_max_str_digits" in reason:  # Python's advice is for whoever runs the server
            reason = "a number in it has too many digits"
        message = f"the body is not valid JSON: {reason}"
        return RequestError(400, message, code="invalid_json").response(path)
    return RequestError(error.status_code, str(error.detail), headers=error.headers).response(path)


async def invalid_response(request: Request, error: RequestValidationError) -> Response:
    """The answer to a body that is not JSON (400) or not of the right shape (422)."""
    [first, *_] = errors = error.errors()
    if first["type"] == "json_invalid":
        message = f"the body is not valid JSON: {first.get('ctx', {}).get('error', first['msg'])}"
        refusal = RequestError(400, message, code="invalid_json")
    elif isinstance(error.body, bytes):  # FastAPI parses a body only if its type is JSON
        refusal = RequestError(415, "the body must come with Content-Type: application/json")
    else:
        message, param = explain(errors)
        refusal = RequestError(422, message, param=param)
    return refusal.response(request.url.path)


async def failed_response(request: Request, error: Exception) -> Response:
    """The answer to a request that met a bug."""
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return RequestError(500, "the server failed; its log says why").response(request.url.path)
