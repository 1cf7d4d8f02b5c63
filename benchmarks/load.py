"""The HTTP service under load: requests per second and waiting times, by number of clients.

    python -m benchmarks.load [--seconds 5] [--rounds 3] [--quick]
    python -m benchmarks.load --minutes 10 [--clients 64]

Each client sends one sentence, waits for the answer, and sends the next, over one open connection (a closed
loop). All clients run in this process and share the machine with the server. Two servers are measured in
turn: minilm's with dynamic batching, and the same server encoding one request at a time. Every answer is
compared with ``MiniLM.encode``. With ``--minutes``, ``endurance.py`` runs instead: mixed clients, some of
which leave or are slow, and the memory of the server.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import re
import subprocess
import sys
import time
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
import uvloop

from benchmarks import endurance
from benchmarks.harness import begin, options, print_table, short_texts, spread, write
from minilm import MiniLM

CLIENTS = (1, 8, 32, 128)
SERVE = "import sys; from minilm.cli.main import main; sys.exit(main(['serve', '--port', '0']))"
# A limit of less than one token makes each text a batch of its own.
SERVERS = {
    "gathered": SERVE,
    "one at a time": "import minilm.server.batching as g; g.BATCH_TOKENS = g.PIECE_TOKENS = 0.5; "
    f"g.LINGER_SECONDS = 0; {SERVE}",
}
# The last float32 digits may depend on the other texts of a pack: the largest difference measured was 3e-7.
BOUND = 1e-6
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Load(NamedTuple):
    """The result of one turn: a number of clients at one server."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    answered: int
    lost: int


def main() -> None:
    """Measure, print, write."""
    parser = options(__doc__, threads=False, rounds=3)
    parser.add_argument("--seconds", type=float, default=5, help="length of a turn (default: 5)")
    parser.add_argument("--minutes", type=float, help="let mixed clients run so long instead")
    parser.add_argument("--clients", type=int, default=64, help="with --minutes (default: %(default)s)")
    arguments = begin(parser)
    if arguments.minutes:
        endure_minutes(arguments)
        return
    if arguments.quick:
        arguments.seconds = 0.5
    texts = short_texts()[: 200 if arguments.quick else None]
    expected = MiniLM().encode(texts)
    requests = [request(text) for text in texts]

    running = {name: start(program) for name, program in SERVERS.items()}
    loads: dict[str, dict[int, list[Load]]] = {name: {n: [] for n in CLIENTS} for name in SERVERS}
    try:
        for _, port in running.values():
            uvloop.run(turn(port, 8, 1.0, requests, expected))  # warm
        for _ in range(arguments.rounds):
            for clients in CLIENTS:
                for name, (_, port) in running.items():
                    measured = uvloop.run(turn(port, clients, arguments.seconds, requests, expected))
                    loads[name][clients].append(measured)
    finally:
        for process, _ in running.values():
            process.terminate()
        codes = [process.wait() for process, _ in running.values()]
    if any(codes):
        sys.exit(f"a server ended with exit status {codes}")

    results, rows = summarize(loads)
    print(f"{arguments.rounds} turns of {arguments.seconds:g} s each: median (min..max)\n")
    print_table(["clients", "server", "requests/s", "p50, ms", "p99, ms", "answered", "lost"], rows)

    def rate_of(name: str, clients: int) -> float:
        return float(results[name][clients]["requests_per_second"]["median"])

    alone = encoder_rates(texts)
    print(
        f"\nMiniLM.encode, without a server: {alone['one at a time']:.0f} texts per second one at a time, "
        f"{alone['32 at a time']:.0f} in batches of 32"
    )
    batched = rate_of("gathered", 32)
    print(
        f"\n32 clients with dynamic batching: {batched / rate_of('one at a time', 32):.2f} times the rate of "
        f"32 clients one at a time, {batched / rate_of('one at a time', 1):.2f} times that of one client"
    )
    write("load", arguments, results, texts_per_second_without_a_server=alone)


def endure_minutes(arguments: argparse.Namespace) -> None:
    """Let mixed clients run for minutes; exit status 1 if a request was lost or a vector wrong."""
    texts = endurance.make_texts(MiniLM(), short_texts(), 2000)
    process, port = start(SERVE)

    async def run() -> dict[str, Any]:
        watch, seconds = endurance.watch_memory(process.pid), 60 * arguments.minutes
        endured = await endurance.endure(port, texts, arguments.clients, seconds=seconds, watch=watch)
        for lost in endured.lost[:10]:
            print(f"lost: {lost}", file=sys.stderr)
        return endurance.summarize(endured, await endurance.counters(port))

    try:
        results = uvloop.run(run())
    finally:
        process.terminate()
    if code := process.wait():
        sys.exit(f"the server ended with exit status {code}")
    print(f"{arguments.clients} clients for {arguments.minutes:g} minutes\n")
    memory = " ".join(f"{mib:.0f}" for mib in results["mib_by_minute"])
    rows = [[name.replace("_", " "), f"{value:,.9g}"] for name, value in list(results.items())[:-1]]
    print_table(["", ""], [*rows, ["memory by minute, MiB", memory]])
    write("load_minutes", arguments, results)
    if results["lost"]:
        sys.exit(f"{results['lost']} requests were lost")


def summarize(loads: dict[str, dict[int, list[Load]]]) -> tuple[dict[str, Any], list[list[str]]]:
    """Results by server and number of clients, and the same as rows of a table."""
    results: dict[str, Any] = {}
    rows = []
    for clients in CLIENTS:
        for name in SERVERS:
            turns = loads[name][clients]
            rate, p50, p99 = (spread(getattr(t, field) for t in turns) for field in Load._fields[:3])
            answered, lost = sum(t.answered for t in turns), sum(t.lost for t in turns)
            results.setdefault(name, {})[clients] = {
                "requests_per_second": rate._asdict(),
                "p50_ms": p50._asdict(),
                "p99_ms": p99._asdict(),
                "answered": answered,
                "lost": lost,
            }
            rows.append(
                [str(clients), name, rate.show(), p50.show(2), p99.show(2), f"{answered:,}", str(lost)]
            )
    return results, rows


def encoder_rates(texts: list[str]) -> dict[str, float]:
    """Texts per second by the encoder alone: what gathering could gain if HTTP cost nothing."""
    model = MiniLM()
    input_ids = model.tokenizer.texts(texts).input_ids
    rates = {}
    for name, size in (("one at a time", 1), ("32 at a time", 32)):
        seconds = []
        for first in range(0, min(len(input_ids), 30 * size), size):
            batch = input_ids[first : first + size]
            started = time.perf_counter()
            model.encode_tokens(batch)
            seconds.append((time.perf_counter() - started) / len(batch))
        rates[name] = 1 / spread(seconds).median
    return rates


def start(program: str) -> tuple[subprocess.Popen[str], int]:
    """Start a server in its own process; return the process and the port."""
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    assert process.stderr
    address = re.search(r":(\d+)$", process.stderr.readline().strip())
    if not address:
        sys.exit("the server did not start")
    return process, int(address[1])


def request(text: str) -> bytes:
    """POST /v1/embeddings of one text, with the encoding that OpenAI's client asks for."""
    body = json.dumps({"input": text, "model": "all-MiniLM-L6-v2", "encoding_format": "base64"}).encode()
    head = "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
    return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Client(asyncio.Protocol):
    """One connection: send, wait, record, send the next. It works little: it shares the server's cores."""

    def __init__(self, requests: list[bytes], first: int, end: float) -> None:
        self.requests = requests
        self.index = first % len(requests)
        self.end = end
        self.waits: list[float] = []
        self.answers: list[tuple[int, bytes]] = []
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self.transport = cast(asyncio.Transport, transport)
        self._send()

    def _send(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.requests[self.index])

    def data_received(self, data: bytes) -> None:
        """Record the answer when it is complete, and send the next request while there is time."""
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < int(LENGTH.findall(head)[0]):
            return
        now = time.perf_counter()
        self.waits.append(now - self.sent)
        self.answers.append((self.index, self.buffer))
        self.buffer = b""
        self.index = (self.index + 1) % len(self.requests)
        if now < self.end:
            self._send()
        else:
            self.sent = 0.0
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """End the turn of this client. If the server closed it, the last request has no answer."""
        self.gone.set_result(None)


async def turn(
    port: int, clients: int, seconds: float, requests: list[bytes], expected: np.ndarray[Any, Any]
) -> Load:
    """Run clients for some seconds. A request is lost if it has no answer, or one with wrong numbers."""
    started = time.perf_counter()
    loop = asyncio.get_running_loop()
    connections: list[Client] = []
    for number in range(clients):
        # each client starts at another text
        protocol = partial(Client, requests, number * 997, started + seconds)
        connections.append((await loop.create_connection(protocol, "127.0.0.1", port))[1])
    await asyncio.gather(*(client.gone for client in connections))
    elapsed = time.perf_counter() - started
    waits = [wait for client in connections for wait in client.waits]
    lost = sum(client.sent > 0 for client in connections)
    for index, answer in (answer for client in connections for answer in client.answers):
        embedding = re.search(rb'"embedding":"([^"]+)"', answer)
        vector = np.frombuffer(base64.b64decode(embedding[1]), "<f4") if embedding else np.zeros(0)
        if vector.shape != expected[index].shape or np.abs(vector - expected[index]).max() > BOUND:
            lost += 1
    p50, p99 = np.percentile(waits, [50, 99]) * 1000
    return Load(len(waits) / elapsed, float(p50), float(p99), len(waits), lost)


if __name__ == "__main__":
    main()
