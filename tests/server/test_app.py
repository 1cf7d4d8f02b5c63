"""minilm/server: the routes over a real socket, by the clients people use; limits, errors, stopping."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import shutil
import socket
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, processors

from minilm import CrossEncoder, MiniLM
from tests.checkpoints import TINY, MakeCheckpoint
from tests.serving import Server

pytest.importorskip("uvicorn", reason="the extra serve is not installed")
pytest.importorskip("fastapi", reason="the extra serve is not installed")

from starlette.types import Message, Receive, Scope, Send

from minilm.server.batching import Batcher, QueueFullError
from minilm.server.limits import ServerSettings
from minilm.server.metrics import Metrics
from minilm.server.middleware import Gate
from minilm.server.service import Service
from tests.checkpoints import add_dense, write_cross_encoder

A, B = "A girl is styling her hair.", "A girl is brushing her hair."

# The same float32 arithmetic; under other than AVX-512 kernels a pack's make-up shows in the last digits.
BOUND = 3e-7


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server()
    yield running
    assert running.stop() == 0


def test_the_openai_client_works_unchanged(server: Server, model: MiniLM) -> None:
    openai = pytest.importorskip("openai", reason="the openai client is not installed")
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
        answer = client.embeddings.create(model="all-MiniLM-L6-v2", input=[A, B])  # base64, by default
        np.testing.assert_allclose(
            [d.embedding for d in answer.data], model.encode([A, B]), rtol=0, atol=BOUND
        )
        assert (answer.usage.prompt_tokens, answer.usage.total_tokens, answer.object) == (18, 18, "list")
        short = client.embeddings.create(model="m", input=A, dimensions=64, encoding_format="float")
        expected = model.encode(A)[:64]
        expected /= np.linalg.norm(expected)
        np.testing.assert_allclose(short.data[0].embedding, expected, rtol=0, atol=BOUND)
        ids = model.tokenizer([A]).input_ids[0]
        for given in (ids, ids[1:-1], [ids, ids[1:-1]]):
            by_ids = client.embeddings.create(model="m", input=given)
            for row in by_ids.data:
                np.testing.assert_allclose(row.embedding, model.encode(A), rtol=0, atol=BOUND)
        assert [card.id for card in client.models.list()] == ["all-MiniLM-L6-v2"]
        assert client.models.retrieve("all-MiniLM-L6-v2").object == "model"
        with pytest.raises(openai.UnprocessableEntityError, match="input is empty"):
            client.embeddings.create(model="m", input=[])


def test_text_embeddings_inference_routes(server: Server, model: MiniLM) -> None:
    _, vectors, _ = server.ask("/embed", {"inputs": [A, B]})
    np.testing.assert_allclose(vectors, model.encode([A, B]), rtol=0, atol=BOUND)
    _, vectors, _ = server.ask("/embed", {"inputs": A, "normalize": False})
    # components of unnormalized vectors are ten times as large
    plain = model.encode_tokens(model.tokenizer([A]).input_ids, normalize=False)
    np.testing.assert_allclose(vectors, plain, rtol=0, atol=10 * BOUND)
    _, scores, _ = server.ask("/similarity", {"inputs": {"source_sentence": A, "sentences": [B, A]}})
    # a sum of 384 products of components that are within the bound: seen at 6e-8
    np.testing.assert_allclose(scores, [0.805222, 1.0], rtol=0, atol=1e-6)


@pytest.fixture
def prompted(model: MiniLM, make_checkpoint: MakeCheckpoint, tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    """A server of the real weights with prompts, and of a small reranker with random ones."""
    directory = tmp_path / "prompted"
    shutil.copytree(model.checkpoint.directory, directory, copy_function=os.link)
    settings = {"prompts": {"query": "query: "}}
    (directory / "config_sentence_transformers.json").unlink(missing_ok=True)
    (directory / "config_sentence_transformers.json").write_text(json.dumps(settings))
    reranker = write_cross_encoder(make_checkpoint)
    options = ("--model", str(directory), "--reranker", str(reranker), "--default-prompt-name", "query")
    running = Server(*options)
    yield running, reranker
    assert running.stop() == 0


def test_prompts_stand_before_texts(prompted: tuple[Server, Path], model: MiniLM) -> None:
    server, _ = prompted
    expected, plain = model.encode([A, B], prompt="query: "), model.encode([A, B])
    for body in ({"inputs": [A, B], "prompt_name": "query"}, {"inputs": [A, B]}):
        np.testing.assert_allclose(server.ask("/embed", body)[1], expected, rtol=0, atol=BOUND)
    _, answer, _ = server.ask("/v1/embeddings", {"input": A})
    np.testing.assert_allclose(answer["data"][0]["embedding"], expected[0], rtol=0, atol=BOUND)
    _, vectors, _ = server.ask("/embed", {"inputs": [A, B], "prompt_name": "document"})  # an empty one
    np.testing.assert_allclose(vectors, plain, rtol=0, atol=BOUND)
    given = {"source_sentence": A, "sentences": [B]}
    _, scores, _ = server.ask("/similarity", {"inputs": given, "parameters": {"prompt_name": "query"}})
    np.testing.assert_allclose(scores, expected[0] @ expected[1], rtol=0, atol=1e-6)
    # the explanation is of the same score, and says nothing of the prompt's tokens
    _, answer, _ = server.ask("/compare", {"text_a": A, "text_b": B, "explain": True})
    assert abs(answer["score"] - expected[0] @ expected[1]) < 1e-6
    assert abs(np.sum(answer["contributions"]) - answer["score"]) < 1e-6
    tokens = answer["a"]["tokens"]
    assert [t["token"] for t in tokens if t["is_special"]] == ["[CLS]", "query", ":", "[SEP]"]
    assert [A[t["start"] : t["end"]] for t in tokens if not t["is_special"]][:3] == ["A", "girl", "is"]
    status, answer, _ = server.ask("/embed", {"inputs": A, "prompt_name": "nothing"})
    assert (status, answer["error"]["param"]) == (422, "prompt_name")
    assert "must be one of query, document" in answer["error"]["message"]


def test_rerank(prompted: tuple[Server, Path]) -> None:
    server, directory = prompted
    ours = CrossEncoder(directory)
    texts = ["a b c", "d e", "x y z q", "d e"]
    ranking = ours.rank("h i", texts, return_documents=True)
    _, answer, _ = server.ask("/rerank", {"query": "h i", "texts": texts, "return_text": True})
    assert [(r["index"], r["text"]) for r in answer] == [(r["corpus_id"], r["text"]) for r in ranking]
    # float32 and two layers; another pack may round in another order
    np.testing.assert_allclose([r["score"] for r in answer], [r["score"] for r in ranking], rtol=0, atol=1e-6)
    _, raw, _ = server.ask("/rerank", {"query": "h i", "texts": texts, "raw_scores": True})
    logits = ours.predict([("h i", text) for text in texts], activation_fn=lambda x: x)
    np.testing.assert_allclose(
        [r["score"] for r in raw], logits[[r["index"] for r in raw]], rtol=0, atol=1e-6
    )
    assert "text" not in raw[0]
    long = {"query": "h i", "texts": ["a " * 100]}
    status, answer, _ = server.ask("/rerank", long)
    assert (status, answer["error"]["code"]) == (413, "context_length_exceeded")
    assert server.ask("/rerank", {**long, "truncate": True})[0] == 200
    for body in ({"query": "a", "texts": []}, {"query": "\ud800", "texts": ["a"]}, {"texts": ["a"]}):
        assert server.ask("/rerank", body)[0] == 422
    with ThreadPoolExecutor(8) as executor:
        asked = [texts[: 1 + i % 4] for i in range(64)]
        answers = executor.map(lambda t: server.ask("/rerank", {"query": "h i", "texts": t}), asked)
        for given, (_, answer, _) in zip(asked, answers, strict=True):
            scores = {r["corpus_id"]: r["score"] for r in ours.rank("h i", given)}
            for item in answer:
                assert abs(item["score"] - scores[item["index"]]) < 1e-6
    _, metrics, _ = server.ask("/metrics")
    assert b"minilm_queue_tokens 0.0" in metrics


@pytest.mark.parametrize(
    ("template", "before", "behind"),
    [
        ("[CLS] $A [SEP]", [2], [3]),
        ("[CLS] $A", [2], []),
        ("$A [SEP]", [], [3]),
        ("[CLS] [MASK] $A [SEP]", [2, 4], [3]),
        ("[CLS] $A [MASK] [SEP]", [2], [4, 3]),
    ],
)
def test_around_ids_stands_what_the_tokenizer_puts_around_texts(
    make_checkpoint: MakeCheckpoint, template: str, before: list[int], behind: list[int]
) -> None:
    directory = make_checkpoint()
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    special = [("[CLS]", 2), ("[SEP]", 3), ("[MASK]", 4)]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=special)
    tokenizer.save(str(directory / "tokenizer.json"))
    model = MiniLM(directory, max_seq_length=6)
    service = Service(model, ServerSettings())
    room = 6 - len(before) - len(behind)
    for length in (1, 2, room, room + 1, 10):
        text, ids = " ".join("abcdefghij"[:length]), [*range(5, 5 + length)]
        framed = [*before, *ids[:room], *behind]
        assert model.tokenizer([text]).input_ids == [framed]
        is_cut = [0] if length > room else []
        for given in (ids, [ids], [[*before, *ids, *behind]]):
            assert asyncio.run(service.token_ids(given, param="input")) == ([framed], is_cut)
    only_special = [*before, *behind]  # an empty text
    assert asyncio.run(service.token_ids(only_special, param="input"))[0] == [only_special]


def test_long_texts_are_cut_with_notice_or_refused(server: Server) -> None:
    long = "word " * 400
    status, answer, _ = server.ask("/v1/embeddings", {"input": ["short", long], "model": "m"})
    assert (status, answer["truncated"], answer["usage"]["prompt_tokens"]) == (200, [1], 3 + 256)
    status, answer, _ = server.ask("/embed", {"inputs": [long]})
    assert (status, answer["error"]["code"]) == (413, "context_length_exceeded")
    assert server.ask("/embed", {"inputs": [long], "truncate": True})[0] == 200


def test_compare_gives_the_score_and_why(server: Server) -> None:
    _, answer, _ = server.ask("/compare", {"text_a": A, "text_b": B, "explain": True})
    # the float64 product of float32 embeddings, as `minilm compare` prints it
    assert abs(answer["score"] - 0.805222) < 1e-6
    assert abs(np.sum(answer["contributions"]) - answer["score"]) < 1e-6
    assert answer["tokens"] == [9, 9]


def test_without_an_explanation_there_is_the_score_and_the_reason(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    wide = {"linear.weight": np.eye(2, TINY.hidden_size, dtype=np.float32)}
    add_dense(directory, wide, in_features=TINY.hidden_size, bias=False)
    server = Server("--model", str(directory))
    try:
        status, answer, _ = server.ask("/compare", {"text_a": "a b", "text_b": "c", "explain": True})
    finally:
        assert server.stop() == 0
    assert (status, answer["tokens"], answer["truncated"]) == (200, [4, 3], [])
    # float64 products of float32 vectors of width 2
    assert abs(answer["score"] - MiniLM(directory).similarity("a b", "c").item()) < 1e-6
    assert "a Dense module" in answer["unexplained"]
    assert "contributions" not in answer


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/embeddings", b"{", 400),
        ("/v1/embeddings", b"[]", 422),
        ("/v1/embeddings", b'{"input": NaN}', 422),
        ("/v1/embeddings", b'{"input": "\\ud800"}', 422),
        ("/v1/embeddings", b'{"input": [1e400]}', 422),
        ("/v1/embeddings", {"input": []}, 422),
        ("/v1/embeddings", {"input": [[]]}, 422),
        ("/v1/embeddings", {"input": ["a", 1]}, 422),
        ("/v1/embeddings", {"input": [-1]}, 422),
        ("/v1/embeddings", {"input": [30522]}, 422),
        ("/v1/embeddings", {"input": "a", "dimensions": 385}, 422),
        ("/v1/embeddings", {"input": "a", "encoding_format": "hex"}, 422),
        ("/v1/embeddings", {"input": ["a"] * 2049}, 422),
        ("/v1/embeddings", {"input": "a" * 2_000_001}, 422),
        ("/v1/embeddings", b" " * (8 * 2**20 + 1), 413),
        ("/v1/models/gpt", None, 404),
        ("/compare", {"text_a": " ", "text_b": "b"}, 422),
        ("/matrix", {"texts": ["one"]}, 422),
        ("/similarity", {"inputs": {"source_sentence": "a", "sentences": []}}, 422),
        ("/nowhere", None, 404),
        ("/embed", None, 405),
    ],
)
def test_bad_requests_get_openais_error_object(server: Server, path: str, body: Any, status: int) -> None:
    answered, content, _ = server.ask(path, body)
    assert answered == status
    assert set(content["error"]) == {"message", "type", "param", "code"}
    assert content["error"]["message"]


def test_limits_are_named(server: Server) -> None:
    _, content, _ = server.ask("/v1/embeddings", {"input": ["a"] * 2049})
    assert "limit is 2,048 per request" in content["error"]["message"]
    _, content, _ = server.ask("/v1/embeddings", b" " * (8 * 2**20 + 1))
    assert "limit of 8,388,608 bytes" in content["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "param", "message"),
    [
        ("/embed", {"inputs": [101, -2]}, {}, 422, "inputs.1", "greater than or equal to 0"),
        ("/embed", {"inputs": ["a", 5]}, {}, 422, "inputs.1", "a valid string"),
        ("/embed", {"inputs": [[5], ["a"]]}, {}, 422, "inputs.1.0", "a valid integer"),
        ("/embed", {"inputs": "a"}, {"Content-Type": "text/plain"}, 422, None, "Content-Type: application/"),
        ("/rerank", {"query": "a", "texts": ["b"]}, {}, 404, None, "start it with --reranker MODEL"),
    ],
)
def test_refusals_say_what_to_change(
    server: Server, path: str, body: Any, headers: dict[str, str], status: int, param: str, message: str
) -> None:
    answered, content, _ = server.ask(path, body, **headers)
    assert (answered, content["error"]["param"]) == (status, param)
    assert message in content["error"]["message"]


def test_the_page_brings_everything_itself(server: Server) -> None:
    _, page, headers = server.ask("/")
    assert b"Sentence Similarity Demo" in page
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    for path in ("/page.js", "/page.css", "/docs", "/docs.js", "/swagger/swagger-ui-bundle.js"):
        assert server.ask(path)[0] == 200
    assert not re.search(rb"<script(?![^>]*\ssrc=)|<style| style=|https?://", page)


def test_metrics_count_requests_and_batches(server: Server) -> None:
    server.ask("/embed", {"inputs": ["a", "b"]})
    _, text, _ = server.ask("/metrics")
    counts = dict(re.findall(rb"^(minilm_\S+) (\S+)$", text, re.MULTILINE))
    assert float(counts[b'minilm_requests_total{method="POST",path="/embed",status="200"}']) >= 1
    assert float(counts[b"minilm_batch_texts_sum"]) >= 2
    assert float(counts[b"minilm_queue_tokens"]) == 0


def test_a_key_is_asked_for_and_the_page_is_not_behind_it() -> None:
    server = Server("--api-key", "secret")
    try:
        status, content, headers = server.ask("/embed", {"inputs": "a"})
        assert (status, content["error"]["code"], headers["www-authenticate"]) == (
            401,
            "invalid_api_key",
            "Bearer",
        )
        assert server.ask("/embed", {"inputs": "a"}, Authorization="Bearer secre")[0] == 401
        assert server.ask("/embed", {"inputs": "a"}, Authorization="Basic secret")[0] == 401
        assert server.ask("/embed", {"inputs": "a"}, Authorization="secret")[0] == 401
        assert server.ask("/embed", {"inputs": "a"}, Authorization="Bearer secret")[0] == 200
        assert server.ask("/embed", {"inputs": "a"}, Authorization="bearer secret")[0] == 200
        assert [server.ask(path)[0] for path in ("/", "/health", "/metrics")] == [200, 200, 200]
    finally:
        assert server.stop() == 0


def test_without_the_key_a_body_is_read_to_its_end_and_the_connection_closed() -> None:
    server = Server("--api-key", "secret", "--body-seconds", "5", "--max-body-bytes", "1000000")
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    try:
        # the answer is not lost to a client that first sends all of a body, even one that is too long
        status, _, headers = server.ask("/embed", b" " * 3_000_000)
        assert (status, headers["connection"]) == (401, "close")
        # one that never ends is given up
        with socket.create_connection(address) as connection:
            connection.sendall(
                b"POST /embed HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
            )
            received = b"".join(iter(lambda: connection.recv(10_000), b""))
        assert received.split()[1] == b"401"
    finally:
        assert server.stop() == 0


def test_a_page_elsewhere_may_ask_only_if_it_is_named(server: Server) -> None:
    origin = {"Origin": "https://example.org"}
    assert "access-control-allow-origin" not in server.ask("/embed", {"inputs": "a"}, **origin)[2]
    named = Server("--cors-origin", "https://example.org", "--api-key", "secret")
    try:
        key = {"Authorization": "Bearer secret"}
        allowed = server_header(named, {**origin, **key})
        assert allowed == "https://example.org"
        assert server_header(named, {"Origin": "https://example.com", **key}) is None
        # a browser asks first, without the key
        preflight = http.client.HTTPConnection("127.0.0.1", int(named.url.rpartition(":")[2]))
        asks = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        preflight.request("OPTIONS", "/embed", headers=origin | asks)
        answer = preflight.getresponse()
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "https://example.org")
        preflight.close()
    finally:
        assert named.stop() == 0


def server_header(server: Server, headers: dict[str, str]) -> str | None:
    status, _, answered = server.ask("/embed", {"inputs": "a"}, **headers)
    assert status == 200
    return answered.get("access-control-allow-origin")


def test_slow_clients_do_not_stall_others(server: Server, model: MiniLM) -> None:
    port = int(server.url.rpartition(":")[2])
    head = b"POST /embed HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall(head[:20] if number % 2 else head + b'{"inputs": "')  # and nothing more
        # clients that ask for much and read nothing
        body = json.dumps({"inputs": ["a"] * 500}).encode()
        for connection in slow[:20:2]:
            connection.sendall(b" " * 87 + b'"}')  # ends the body that it began
            connection.sendall(head.replace(b"100", str(len(body)).encode()) + body)
        for _ in range(20):
            _, vectors, _ = server.ask("/embed", {"inputs": A})
            np.testing.assert_allclose(vectors, [model.encode(A)], rtol=0, atol=BOUND)
    finally:
        for connection in slow:
            connection.close()


def test_a_body_that_does_not_come_is_given_up() -> None:
    server = Server("--body-seconds", "0.2")
    try:
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as connection:
            connection.sendall(b"POST /embed HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
            assert connection.recv(100).split()[1] == b"408"
    finally:
        assert server.stop() == 0


def test_many_clients_each_get_their_own_answer(server: Server, model: MiniLM) -> None:
    texts = [f"Text number {i} of {'many ' * (i % 9)}" for i in range(320)]
    expected = model.encode(texts)

    def ask(i: int) -> float:
        _, vectors, _ = server.ask("/embed", {"inputs": texts[i]})
        return float(np.abs(np.subtract(vectors[0], expected[i])).max())

    with ThreadPoolExecutor(32) as clients:
        assert max(clients.map(ask, range(len(texts)))) < BOUND


def test_clients_that_go_away_leave_nothing_in_the_queue(server: Server) -> None:
    body = json.dumps({"inputs": ["word " * 200] * 64, "truncate": True}).encode()
    head = "POST /embed HTTP/1.1\r\nHost: a\r\nContent-Type: application/json"
    head += f"\r\nContent-Length: {len(body)}\r\n\r\n"
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as connection:
            connection.sendall(head.encode() + body)
    assert server.ask("/embed", {"inputs": "a"})[0] == 200
    while b"minilm_queue_tokens 0.0" not in server.ask("/metrics")[1]:
        pass


def test_sigterm_finishes_what_was_accepted() -> None:
    server = Server()
    answers: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(server.ask("/embed", {"inputs": ["word " * 200] * 100})[0])
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    while b"minilm_queue_tokens 0.0" in server.ask("/metrics")[1]:
        pass  # until the first is in the queue
    while any(thread.is_alive() for thread in threads) and len(answers) == 0:
        threads[0].join(0.05)
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    assert answers == [200] * 4


def slow_encode(gate: threading.Event, sizes: list[int]) -> Any:
    def encode(input_ids: Sequence[Sequence[int]]) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
        gate.wait()
        sizes.append(len(input_ids))
        return list(np.array([[ids[0]] for ids in input_ids], np.float32))

    return encode


def test_what_arrives_while_the_encoder_works_goes_through_together() -> None:
    gate, sizes = threading.Event(), list[int]()

    async def run() -> list[float]:
        batcher = Batcher(slow_encode(gate, sizes), cores=1, max_tokens=1000)
        tasks = [asyncio.create_task(batcher.encode([[i]])) for i in range(33)]
        await asyncio.sleep(0)  # all are in the queue
        gate.set()
        rows = await asyncio.gather(*tasks)
        batcher.stop()
        return [np.stack(row).item() for row in rows]

    assert asyncio.run(run()) == list(range(33))
    assert sum(sizes) == 33
    assert len(sizes) <= 3  # the first may have gone alone; the others wait together


def test_a_lone_client_is_never_kept_waiting_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    # waiting at all would be waiting for ever
    monkeypatch.setattr("minilm.server.batching.LINGER_SECONDS", 1e6)
    gate, sizes = threading.Event(), list[int]()
    gate.set()

    async def run() -> None:
        batcher = Batcher(slow_encode(gate, sizes), cores=1, max_tokens=1000)
        for i in range(5):
            assert np.stack(await batcher.encode([[i], [i + 1]])).tolist() == [[i], [i + 1]]
        batcher.stop()

    asyncio.run(run())
    assert sizes == [2] * 5


def test_those_just_answered_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minilm.server.batching.LINGER_SECONDS", 1e6)
    gate, sizes = threading.Event(), list[int]()

    async def run() -> None:
        batcher = Batcher(slow_encode(gate, sizes), cores=1, max_tokens=1000)

        async def client(i: int) -> None:
            for _ in range(3):
                assert np.stack(await batcher.encode([[i]])).item() == i

        clients = [asyncio.create_task(client(i)) for i in range(8)]
        await asyncio.sleep(0)  # the first requests of all are in the queue; one may have been taken
        gate.set()
        await asyncio.gather(*clients)
        batcher.stop()

    asyncio.run(run())
    assert sum(sizes) == 24
    assert sizes[-1] >= 7  # together, but for the one that may be a round ahead


def test_a_full_queue_refuses_and_says_when_to_come_again() -> None:
    gate = threading.Event()

    async def run() -> None:
        batcher = Batcher(slow_encode(gate, []), cores=1, max_tokens=10)
        first = asyncio.create_task(batcher.encode([[1] * 8]))
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError) as refused:
            await batcher.encode([[1] * 3])
        assert refused.value.retry_after >= 1
        gate.set()
        await first
        assert batcher.waiting_tokens == 0
        assert np.stack(await batcher.encode([[1] * 50])).shape == (1, 1)  # larger than the queue, but alone
        batcher.stop()

    asyncio.run(run())


def test_a_large_request_does_not_stand_before_a_small_one() -> None:
    gate, sizes = threading.Event(), list[int]()
    order: list[str] = []

    async def run() -> None:
        batcher = Batcher(slow_encode(gate, sizes), cores=1, max_tokens=10**6)

        async def ask(name: str, ids: list[list[int]]) -> None:
            await batcher.encode(ids)
            order.append(name)

        large = asyncio.create_task(ask("large", [[1] * 100] * 1000))
        await asyncio.sleep(0)
        small = asyncio.create_task(ask("small", [[1] * 10]))
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(large, small)
        batcher.stop()

    asyncio.run(run())
    assert order == ["small", "large"]


def test_a_failure_reaches_those_it_concerns_and_the_queue_goes_on() -> None:
    def encode(input_ids: Sequence[Sequence[int]]) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
        if input_ids[0][0] == 13:
            raise MemoryError("no room")
        return list(np.zeros((len(input_ids), 1), np.float32))

    async def run() -> None:
        batcher = Batcher(encode, cores=1, max_tokens=100)
        with pytest.raises(MemoryError):
            await batcher.encode([[13]])
        assert np.stack(await batcher.encode([[1], [2]])).shape == (2, 1)
        assert batcher.waiting_tokens == 0
        batcher.stop()

    asyncio.run(run())


def test_a_queue_whose_thread_cannot_start_is_none_the_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the system allows no more threads, for a time."""

    def encode(input_ids: Sequence[Sequence[int]]) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
        return list(np.array([[len(ids)] for ids in input_ids], np.float32))

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "minilm-batcher":
            raise RuntimeError("can't start new thread")

    batcher = Batcher(encode, cores=1, max_tokens=100)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            asyncio.run(batcher.encode([[1, 2]]))
    assert batcher.waiting_tokens == 0
    assert np.stack(asyncio.run(asyncio.wait_for(batcher.encode([[1, 2]]), 60))).tolist() == [[2]]
    batcher.stop()


def test_a_body_in_many_pieces_takes_what_one_piece_takes() -> None:
    """Time in the number of pieces, none of which is kept by itself."""
    received: list[Message] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        received.append(await receive())

    async def run(pieces: int) -> None:
        left = pieces

        async def receive() -> Message:
            nonlocal left
            left -= 1
            return {"type": "http.request", "body": b"x", "more_body": left > 0}

        async def send(message: Message) -> None:
            raise AssertionError(message)

        scope = {"type": "http", "path": "/embed", "method": "POST", "headers": []}
        gate = Gate(application, ServerSettings(body_seconds=600), Metrics(lambda: 0))
        tracemalloc.start()
        try:
            await gate(scope, receive, send)
            assert tracemalloc.get_traced_memory()[1] < 8 * pieces  # a message a piece would be 200 and more
        finally:
            tracemalloc.stop()

    asyncio.run(run(200_000))
    assert received == [{"type": "http.request", "body": b"x" * 200_000, "more_body": False}]


def test_a_stopped_queue_begins_again_when_asked() -> None:
    """As an application does that is started and stopped in each of somebody's tests."""

    def encode(input_ids: Sequence[Sequence[int]]) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
        return list(np.array([[len(ids)] for ids in input_ids], np.float32))

    batcher = Batcher(encode, cores=1, max_tokens=100)
    before = set(threading.enumerate())  # those of other tests' applications
    batcher.stop()  # nothing was asked yet, so that nothing runs
    for _ in range(3):
        assert np.stack(asyncio.run(batcher.encode([[1, 2]]))).tolist() == [[2]]
        batcher.stop()
    assert "minilm-batcher" not in {thread.name for thread in {*threading.enumerate()} - before}
