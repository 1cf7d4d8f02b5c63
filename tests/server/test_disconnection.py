"""minilm/server/disconnection.py: a client that leaves takes its request out of the queue, on every route."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the extra serve is not installed")

import openai
import uvicorn
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send
from uvicorn.server import ServerState

from minilm import CrossEncoder, MiniLM, SparseEncoder
from minilm.server.app import create_app
from minilm.server.batching import Batcher
from minilm.server.disconnection import WhileConnected
from minilm.server.protocol import Protocol
from tests.checkpoints import MakeCheckpoint, write_cross_encoder, write_sparse_encoder

PATIENCE = 60.0  # seconds; no test passes by waiting this long
TEXTS = ["one text", "and another"]

# A request for each route that encodes; None for those that do not.
REQUESTS: dict[str, object] = {
    "/": {"inputs": TEXTS},
    "/api/embed": {"model": "all-minilm", "input": TEXTS},
    "/api/embeddings": {"model": "all-minilm", "prompt": "one text"},
    "/api/show": None,
    "/compare": {"text_a": "one text", "text_b": "and another", "explain": False},
    "/decode": None,
    "/embed": {"inputs": TEXTS},
    "/embed_all": {"inputs": TEXTS},
    "/embed_sparse": {"inputs": ["a b", "c"]},
    "/embeddings": {"input": TEXTS},
    "/invocations": {"inputs": TEXTS},
    "/matrix": {"texts": TEXTS},
    "/predict": {"inputs": "a b c"},
    "/rerank": {"query": "a", "texts": ["b c", "d"]},
    "/similarity": {"inputs": {"source_sentence": "one text", "sentences": TEXTS}},
    "/tokenize": None,
    "/trace": {"text_a": "one text", "text_b": "and another"},
    "/v1/embeddings": {"input": TEXTS},
    "/v1/rerank": {"query": "a", "documents": ["b c", "d"]},
    "/v2/rerank": {"model": "any", "query": "a", "documents": ["b c", "d"]},
}


def counts(app: Any) -> dict[str, float]:
    """The metrics of an application, by name; of the requests, those with status 499."""
    text = TestClient(app).get("/metrics").text
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    return {s.name: s.value for s in samples if s.labels.get("status") in (None, "499")}


async def until(condition: Callable[[], bool]) -> None:
    """Wait until ``condition`` holds; the time does not matter."""

    async def poll() -> None:
        while not condition():
            await asyncio.sleep(0.001)

    await asyncio.wait_for(poll(), PATIENCE)


class Leaver:
    """A client that sends a body and leaves when ``gone`` is set; what it is sent is in ``sent``."""

    def __init__(self, app: Any, path: str, body: object) -> None:
        self.gone = asyncio.Event()
        self.sent: list[Message] = []
        self._messages = [{"type": "http.request", "body": json.dumps(body).encode()}]
        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        if self._messages:
            return self._messages.pop()
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    async def leave(self) -> None:
        """Leave, and wait until the server has given the request up."""
        self.gone.set()
        await asyncio.wait_for(self.task, PATIENCE)


@pytest.mark.parametrize("is_explained", [False, True])
def test_a_client_that_leaves_takes_its_request_out_of_the_queue_on_every_route(
    model: MiniLM,
    make_checkpoint: MakeCheckpoint,
    monkeypatch: pytest.MonkeyPatch,
    is_explained: bool,
) -> None:
    monkeypatch.setattr(Batcher, "_run", lambda _: None)  # nothing leaves the queue by itself
    app = create_app(
        model,
        reranker=CrossEncoder(write_cross_encoder(make_checkpoint)),
        sparse_encoder=SparseEncoder(write_sparse_encoder(lambda: make_checkpoint("sparse"))),
    )
    posted = {path for path, methods in app.openapi()["paths"].items() if "post" in methods}
    assert posted <= set(REQUESTS), "a request is missing above"
    paths = [path for path in sorted(posted) if REQUESTS[path] and (path == "/compare" or not is_explained)]

    async def run() -> None:
        for number, path in enumerate(paths, 1):
            body = REQUESTS[path]
            client = Leaver(app, path, {**body, "explain": True} if is_explained else body)  # type: ignore[dict-item]
            await until(lambda: counts(app)["minilm_queue_tokens"] > 0)
            tokens, before = counts(app)["minilm_queue_tokens"], counts(app)["minilm_cancelled_tokens_total"]
            await client.leave()
            after = counts(app)
            assert client.sent == [], path
            assert after["minilm_queue_tokens"] == 0, path
            assert after["minilm_cancelled_tokens_total"] - before == tokens, path
            assert after["minilm_cancelled_requests_total"] == number, path

    asyncio.run(run())
    assert counts(app)["minilm_batch_tokens_sum"] == 0
    assert TestClient(app).get("/metrics").text.count('status="499"} 1.0') == len(paths)


class OneThread(ThreadPoolExecutor):
    """Counts what was given to it, begun or not."""

    submitted = 0

    def submit(self, *arguments: Any, **options: Any) -> Any:
        self.submitted += 1
        return super().submit(*arguments, **options)


def test_a_client_that_leaves_while_its_texts_are_tokenized_is_not_encoded(
    model: MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a thread, which cannot be stopped: its result is dropped. What waits for a thread is not begun."""
    app, started, gate = create_app(model), threading.Event(), threading.Event()
    tokenize, begun = model.pipeline.tokenize_window, list[int]()

    def wait_and_tokenize(*arguments: Any) -> Any:
        begun.append(len(arguments[0]))
        started.set()
        assert gate.wait(PATIENCE)
        return tokenize(*arguments)

    monkeypatch.setattr(type(model.pipeline), "tokenize_window", lambda _, *rest: wait_and_tokenize(*rest))

    async def run() -> None:
        executor = OneThread(1)
        asyncio.get_running_loop().set_default_executor(executor)
        client = Leaver(app, "/embed", {"inputs": ["word " * 200] * 20})
        await until(started.is_set)
        other = Leaver(app, "/embed", {"inputs": ["word " * 200] * 30})
        await until(lambda: executor.submitted == 2)
        await client.leave()  # while the thread still waits
        await other.leave()
        gate.set()
        assert client.sent == other.sent == []

    asyncio.run(run())  # and waits for the thread
    assert begun == [20]
    after = counts(app)
    assert (after["minilm_batch_tokens_sum"], after["minilm_queue_tokens"]) == (0, 0)


def test_a_client_that_leaves_in_the_middle_of_its_body_counts_as_one_that_left(model: MiniLM) -> None:
    app = create_app(model)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "method": "POST", "path": "/embed", "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))
    assert counts(app)["minilm_requests_total"] == 1


def test_no_work_is_cancelled_once_the_answer_has_begun() -> None:
    """As after it, when every server says that the client is gone."""
    gone = asyncio.Event()
    ended: list[bool] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone.set()
        for _ in range(10):
            await asyncio.sleep(0)
        ended.append(True)

    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        pass

    asyncio.run(WhileConnected(application)({"type": "http"}, receive, send))
    assert ended == [True]


def test_a_bug_and_a_stop_of_the_server_are_not_hidden() -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    async def bug(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        await receive()
        raise KeyError("a bug")

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        await asyncio.Event().wait()

    async def stop() -> None:
        task = asyncio.create_task(WhileConnected(wait)({"type": "http"}, receive, send))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(KeyError):
        asyncio.run(WhileConnected(bug)({"type": "http"}, receive, send))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stop())


# ---- over sockets


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[tuple[str, int]]:
    """A server in this loop; its address."""
    config = uvicorn.Config(app, http=Protocol, log_level="critical", lifespan="off")
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: Protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()
        for connection in list(state.connections):
            connection.transport.abort()
        await until(lambda: not state.connections and not state.tasks)


def request(body: object) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST /embed HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    )
    return f"{head}\r\n\r\n".encode() + content


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ARG001
    writer.transport.abort()


async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ARG001
    writer.close()


async def half_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send no more, and read on: the server takes it for gone, and closes without an answer."""
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b""


@pytest.mark.parametrize("leave", [reset, close, half_close])
@pytest.mark.parametrize("is_one_segment", [True, False])
@pytest.mark.parametrize("behind", [0, 1, 3])
def test_a_connection_that_ends_takes_out_its_request_and_those_behind_it(
    model: MiniLM,
    monkeypatch: pytest.MonkeyPatch,
    behind: int,
    is_one_segment: bool,
    leave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> None:
    monkeypatch.setattr(Batcher, "_run", lambda _: None)
    app = create_app(model)
    requests = [request({"inputs": TEXTS})] * (1 + behind)

    async def run() -> None:
        async with served(app) as address:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"".join(requests) if is_one_segment else requests[0])
            await until(lambda: counts(app)["minilm_queue_tokens"] > 0)
            for piece in [] if is_one_segment else requests[1:]:
                writer.write(piece)
                await writer.drain()
            await leave(reader, writer)
            await until(lambda: counts(app)["minilm_queue_tokens"] == 0)
            writer.close()

    asyncio.run(run())
    after = counts(app)
    assert (after["minilm_cancelled_requests_total"], after["minilm_requests_total"]) == (1, 1)
    assert after["minilm_cancelled_tokens_total"] == sum(map(len, model.tokenizer.texts(TEXTS).input_ids))


def test_the_requests_of_a_connection_are_all_answered_in_turn(model: MiniLM) -> None:
    """More of them than are read ahead, by a client that stays."""
    app, count = create_app(model), 30

    async def run() -> list[int]:
        async with served(app) as address:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"".join(request({"inputs": ["a"] * n}) for n in range(1, count + 1)))
            lengths = []
            for _ in range(count):
                head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode().lower()
                content = await reader.readexactly(int(head.partition("content-length: ")[2].split()[0]))
                lengths.append(len(json.loads(content)))
            writer.close()
            return lengths

    assert asyncio.run(run()) == [*range(1, count + 1)]


def test_openais_client_at_a_short_timeout_costs_at_most_the_tokens_of_one_try(
    model: MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tries three times. What the encoder has of the first try is encoded; the rest leaves the queue.

    On a machine so slow that a try ends earlier, there is less to encode.
    """
    app, gate = create_app(model), threading.Event()
    texts = ["word " * 200] * 40  # many times what is encoded at a time
    one_try = sum(map(len, model.tokenizer.texts(texts).input_ids))
    run_batch = Batcher._encode_batch

    def encode_when_open(batcher: Batcher, pieces: Any) -> None:
        assert gate.wait(PATIENCE)
        run_batch(batcher, pieces)

    monkeypatch.setattr(Batcher, "_encode_batch", encode_when_open)

    async def run() -> None:
        async with served(app) as (host, port):
            client = openai.AsyncOpenAI(
                base_url=f"http://{host}:{port}/v1", api_key="none", timeout=openai.Timeout(60, read=0.3)
            )
            try:
                with pytest.raises(openai.APITimeoutError):
                    await client.embeddings.create(model="any", input=texts)
                await until(lambda: counts(app).get("minilm_requests_total") == 3)
                waiting = counts(app)["minilm_queue_tokens"]
                assert waiting <= one_try / 5  # the pieces that the encoder has
                gate.set()
                await until(lambda: counts(app)["minilm_queue_tokens"] == 0)
                assert counts(app)["minilm_batch_tokens_sum"] == waiting
            finally:
                gate.set()
                await client.close()

    asyncio.run(run())
