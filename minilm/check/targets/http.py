"""An HTTP service. Its protocol, OpenAI's, text-embeddings-inference's or Ollama's, is found by asking."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

from minilm._arrays import AnyArray
from minilm.check.targets.target import RefusedError, TargetError, checked_vectors, parse_json
from minilm.errors import described, one_line

MAX_REQUESTS = 300
MAX_ANSWER_BYTES = 64 << 20
LONGEST_WAIT = 120.0  # seconds that a service may ask to wait
MOST_WAITS = 20  # for one answer
BUSY = (429, 503)


class ServiceProtocol(NamedTuple):
    """How a service is asked for vectors."""

    name: str
    path: str
    ending: str  # of an address that names this route, whatever its beginning
    texts: str  # the field of the body that has them
    models: str  # where the service lists its models; "" if it has one
    vectors: Callable[[Any], Any]  # from the answer's JSON


def _of_openai(answer: Any) -> list[Any]:  # noqa: ANN401 - JSON
    rows = answer["data"]
    return [row["embedding"] for row in sorted(rows, key=lambda row: row.get("index", 0))]


def _of_list(answer: Any) -> list[Any]:  # noqa: ANN401 - JSON
    if not isinstance(answer, list):
        raise TypeError
    return answer


PROTOCOLS = (
    ServiceProtocol("OpenAI", "/v1/embeddings", "/embeddings", "input", "/v1/models", _of_openai),
    ServiceProtocol("text-embeddings-inference", "/embed", "/embed", "inputs", "", _of_list),
    ServiceProtocol(
        "Ollama", "/api/embed", "/api/embed", "input", "/api/tags", lambda answer: answer["embeddings"]
    ),
)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow no redirect: the key and the texts are for the address that the user named."""

    def redirect_request(self, *_: object) -> None:
        """Return no request, so that the answer is an HTTPError."""


class Answer(NamedTuple):
    """What a service answered."""

    status: int
    headers: Message
    body: bytes

    def shown(self) -> str:
        """Return the answer as a message shows it."""
        kind = str(self.headers.get("Content-Type", "")).partition(";")[0]
        text = one_line(self.body[:600].decode("utf-8", "replace"))[:160]
        if "html" in kind or text.lower().startswith(("<!doctype", "<html")):
            text = "an HTML page"
        place = self.headers.get("Location")
        return f"HTTP {self.status}{f', a redirect to {place}' if place else ''}: {text or 'nothing'}"


class HttpTarget:
    """A service at an address."""

    takes_batches = True

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        timeout: float = 60,
        say: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url, self._query = _checked_url(url)
        self.model, self.timeout = model, timeout
        self._say, self._sleep = say, sleep
        self.requests = 0
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "minilm",
        }
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._headers |= headers
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._protocol, self._address = self._find()
        self.name = f"{self._address} ({self._protocol.name}'s protocol)"

    def embed(self, texts: Sequence[str]) -> AnyArray:
        """Ask for the vectors of some texts."""
        answer = self._ask(self._address, self._body(self._protocol, texts))
        asked = f"POST {self._address} with {len(texts)} text{'s' * (len(texts) != 1)}"
        if answer.status in (400, 413, 422) or answer.status >= 500:
            raise RefusedError(f"{asked}: {answer.shown()}")
        return checked_vectors(
            self._vectors(self._protocol, answer, asked), len(texts), f"POST {self._address}"
        )

    def _find(self) -> tuple[ServiceProtocol, str]:
        """Return the protocol that the service speaks, and the address for it."""
        said = []
        for protocol in PROTOCOLS:
            address, root = self._address_of(protocol)
            if not address:
                continue
            model = self.model
            if self.model is None and protocol.models:
                self.model = self._only_model(root + protocol.models, protocol)
            answer = self._ask(address, self._body(protocol, ["hello world"]))
            if answer.status in (401, 403):
                raise TargetError(f"POST {address}: {answer.shown()}; --api-key or --header gives it a key")
            if answer.status == 200:
                asked = f"POST {address} with 1 text"
                try:
                    checked_vectors(self._vectors(protocol, answer, asked), 1, asked)
                    return protocol, address
                except (TargetError, RefusedError) as error:
                    said.append(str(error))
            else:
                said.append(f"POST {address}: {answer.shown()}")
            self.model = model
        raise TargetError(f"{self.url} speaks no protocol known here. " + "; ".join(said))

    def _address_of(self, protocol: ServiceProtocol) -> tuple[str, str]:
        """Return the address for a protocol and the service's root; "" if the user named another route."""
        named = [other for other in PROTOCOLS if self.url.endswith(other.ending)]
        if named:
            other = max(named, key=lambda one: len(one.ending))
            root = self.url.removesuffix(other.path).removesuffix(other.ending)
            return (self.url, root) if other is protocol else ("", "")
        root = self.url.removesuffix("/v1")
        return root + protocol.path, root

    def _only_model(self, address: str, protocol: ServiceProtocol) -> str | None:
        """Return the name of the service's model, if it has one only, or one that is called like this one."""
        answer = self._ask(address, None)
        try:
            listed = parse_json(answer.body, address)
            rows = listed["data"] if protocol.name == "OpenAI" else listed["models"]
            names = [str(row["id"] if protocol.name == "OpenAI" else row["name"]) for row in rows]
        except (ValueError, TypeError, KeyError, RecursionError, TargetError):  # a service need not list them
            return None
        if len(names) > 1:
            names = [name for name in names if "minilm" in name.lower()] or names
        if len(names) > 1:
            raise TargetError(
                f"{address} lists several models: name one with --model: {one_line(', '.join(names))}"
            )
        return names[0] if names else None

    def _body(self, protocol: ServiceProtocol, texts: Sequence[str]) -> bytes:
        fields: dict[str, Any] = {protocol.texts: [*texts]}
        if protocol.models:
            fields["model"] = self.model or "all-MiniLM-L6-v2"
        return json.dumps(fields).encode()

    def _vectors(self, protocol: ServiceProtocol, answer: Answer, asked: str) -> Any:  # noqa: ANN401 - JSON
        try:
            if answer.status != 200:
                raise ValueError
            return protocol.vectors(parse_json(answer.body, asked))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise TargetError(f"{asked}: no vectors, but {answer.shown()}") from error

    def _ask(self, address: str, body: bytes | None) -> Answer:
        """Send a request, and wait as long as the service asks to."""
        waits = 0
        while True:
            if self.requests == MAX_REQUESTS:
                raise TargetError(f"{self.url}: {MAX_REQUESTS} requests were not enough; --quick needs fewer")
            self.requests += 1
            answer = self._send(urllib.request.Request(address + self._query, body, self._headers))  # noqa: S310
            if answer.status not in BUSY or (answer.status == 503 and waits == 5):
                return answer
            wait = _retry_after(answer, 2.0 ** min(waits, 6))
            if wait > LONGEST_WAIT or waits == MOST_WAITS:
                asks = f"asks to wait {wait:g} s" + f" after {waits} waits" * bool(waits)
                raise TargetError(f"{address}: HTTP {answer.status} {asks}: try again later")
            self._say(f"HTTP {answer.status}: waiting {wait:g} s, as the service asks")
            self._sleep(wait)
            waits += 1

    def _send(self, request: urllib.request.Request) -> Answer:
        """Return the answer; one that comes byte by byte, its headers too, has no more time than others."""
        future: Future[Answer] = Future()
        threading.Thread(target=self._send_for, args=(future, request), daemon=True).start()
        try:
            return future.result(self.timeout)
        except (OSError, HTTPException, ValueError, FutureTimeoutError) as error:
            reason = getattr(error, "reason", error)
            asked = f"{request.get_method()} {request.full_url}"
            if isinstance(reason, TimeoutError | socket.timeout | FutureTimeoutError):
                raise TargetError(
                    f"{asked}: no answer within {self.timeout:g} s; --timeout waits longer"
                ) from error
            reason = getattr(reason, "strerror", None) or described(reason) if reason else described(error)
            raise TargetError(f"{asked}: {reason}") from error

    def _send_for(self, future: Future[Answer], request: urllib.request.Request) -> None:
        try:
            with self._opened(request) as response:
                future.set_result(Answer(response.status, response.headers, self._read(response)))
        except Exception as error:  # raised where the answer is waited for
            future.set_exception(error)

    def _opened(self, request: urllib.request.Request) -> Any:  # noqa: ANN401 - a response of any status
        try:
            return self._opener.open(request, timeout=self.timeout)
        except urllib.error.HTTPError as error:  # which is a response as well
            return error

    def _read(self, response: IO[bytes]) -> bytes:
        """Read an answer of bounded size."""
        parts, size = [], 0
        while part := response.read1(1 << 16):  # type: ignore[attr-defined] # of HTTPResponse
            parts.append(part)
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                raise TargetError(f"{self.url} answers more than {MAX_ANSWER_BYTES >> 20} MiB")
        return b"".join(parts)


def _retry_after(answer: Answer, default: float) -> float:
    """Return the seconds that Retry-After asks for, as a number or as a date."""
    value = str(answer.headers.get("Retry-After", ""))
    try:
        return max(0.0, float(value))
    except ValueError:
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except (ValueError, TypeError):
            return default


def _checked_url(url: str) -> tuple[str, str]:
    """Return an address without the slash at its end, and its query; refuse what cannot be asked."""
    try:
        parts = urlsplit(url)
        is_complete = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number, a bracket that is not closed
        is_complete = False
    if not is_complete or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"TARGET must be an address such as http://localhost:11434, not {url!r}")
    if parts.username is not None:
        raise ValueError("TARGET must have no user name or password; --header sends an Authorization")
    if parts.fragment:
        raise ValueError(f"TARGET must be an address without a fragment (#), not {url!r}")
    return parts._replace(path=parts.path.rstrip("/"), query="").geturl(), f"?{parts.query}" * bool(
        parts.query
    )


def is_http(target: str) -> bool:
    """Whether a target is an address of HTTP."""
    return target.lower().startswith(("http://", "https://"))
