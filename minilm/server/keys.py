"""The keys of a server: which headers carry one, and which key is right."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from minilm.server.responses import RequestError

# OpenAI's clients send Authorization, Azure's api-key, and many gateways X-API-Key.
KEY_HEADERS = {b"authorization": "Authorization", b"api-key": "api-key", b"x-api-key": "X-API-Key"}
HOW_TO_SEND = "send it as 'Authorization: Bearer KEY', 'api-key: KEY' or 'X-API-Key: KEY'"


def is_key(key: object) -> bool:
    """Return whether this can be a key: printable ASCII without spaces, and not empty."""
    return isinstance(key, str) and re.fullmatch("[!-~]+", key) is not None


def read_keys(path: str) -> tuple[str, ...]:
    """The keys of a file: one per line. Empty lines and lines that begin with # are left out.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If a line cannot be a key, or there is none. The message has the number of the line, not the line.
    """
    lines = Path(path).read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").splitlines()
    keys = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if line and not line.startswith("#"):
            if not is_key(line):
                raise ValueError(f"{path}:{number}: a key must be printable ASCII without spaces")
            keys.append(line)
    if not keys:
        raise ValueError(f"{path} has no key: write one per line")
    return tuple(keys)


def key_refusal(headers: Iterable[tuple[bytes, bytes]], keys: Sequence[str]) -> RequestError | None:
    """Why a request with these headers may not pass, or None if it has one of ``keys``."""
    sent: dict[bytes, str] = {}
    for name, value in headers:
        if (key := _key_in(name, value)) is not None:
            sent.setdefault(key, KEY_HEADERS[name])
    if not sent:
        return _key_refused(f"no key was sent: {HOW_TO_SEND}", "missing_api_key")
    if len(sent) > 1:
        names = " and ".join(sent.values())
        return _key_refused(f"different keys were sent, in {names}: send one", "invalid_api_key")
    [key] = sent
    # Each key is compared, and in constant time, so that a wrong key does not show how much of it was right.
    matches = [hmac.compare_digest(key, right.encode()) for right in keys]
    if any(matches):
        return None
    return _key_refused("the key that was sent is not one of this server's", "invalid_api_key")


def _key_in(name: bytes, value: bytes) -> bytes | None:
    """The key in a header, or None; another scheme than Bearer is for somebody else, such as a proxy."""
    if name not in KEY_HEADERS:
        return None
    if name == b"authorization":
        scheme, _, value = value.strip().partition(b" ")
        if scheme.lower() != b"bearer":
            return None
    return value.strip() or None


def _key_refused(message: str, code: str) -> RequestError:
    # the connection closes: there may be more of the body
    headers = {"connection": "close", "www-authenticate": "Bearer"}
    return RequestError(401, message, code=code, headers=headers)
