"""How each protocol writes an error, and which paths speak which protocol.

The status, the message, the field and the code of a refusal become the status and the JSON of its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

ErrorForm = Callable[[int, str, "str | None", "str | None"], tuple[int, dict[str, Any]]]

# error_type by status; "Validation" stands for every other refusal.
_TEI_TYPES = {500: "Backend", 503: "Overloaded"}
_TEI_STATUSES = {500: 424, 503: 429}


def page_error(status: int, message: str, param: str | None, code: str | None) -> tuple[int, dict[str, Any]]:
    """OpenAI's error object, with the status as it is."""
    kind = {500: "server_error", 503: "service_unavailable_error"}.get(status, "invalid_request_error")
    return status, {"error": {"message": message, "type": kind, "param": param, "code": code}}


def openai_error(
    status: int, message: str, param: str | None, code: str | None
) -> tuple[int, dict[str, Any]]:
    """OpenAI's error object; what is wrong with a request is 400, and only a long body 413."""
    is_invalid = status == 422 or (status == 413 and code != "body_too_large")
    return page_error(400 if is_invalid else status, message, param, code)


def tei_error(status: int, message: str, _: str | None, code: str | None) -> tuple[int, dict[str, Any]]:
    """The error of text-embeddings-inference: ``error`` is the message, ``error_type`` its kind."""
    if code == "empty_input":
        return 400, {"error": message, "error_type": "Empty"}
    kind = _TEI_TYPES.get(status, "Validation")
    return _TEI_STATUSES.get(status, status), {"error": message, "error_type": kind}


# Other paths, such as the page's and unknown ones, have page_error.
_BY_PATH: dict[str, ErrorForm] = {
    "/embed": tei_error,
    "/similarity": tei_error,
    "/rerank": tei_error,
}
_BY_PREFIX: dict[str, ErrorForm] = {
    "/v1/": openai_error,
}


def error_form(path: str) -> ErrorForm:
    """Return how the protocol of ``path`` writes an error."""
    prefixes = (form for prefix, form in _BY_PREFIX.items() if path.startswith(prefix))
    return _BY_PATH.get(path) or next(prefixes, page_error)
