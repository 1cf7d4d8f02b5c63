"""The memory of processes that use one model: of ``minilm serve --workers``, and of multiprocessing.

    python -m benchmarks.workers [--workers 2] [--quick]

Those of multiprocessing get a loaded model as an argument, and are forked or started anew (spawn).

RSS counts what is shared in every process; private is what only one process has; PSS shares out the rest, so
that its sum is what all of them take.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.harness import begin, options, print_table, short_texts, write
from minilm import MiniLM

KINDS = {"rss": ["Rss"], "private": ["Private_Clean", "Private_Dirty"], "pss": ["Pss"]}


def main() -> None:
    """Measure, print, write."""
    parser = options(__doc__, threads=False, rounds=None)
    parser.add_argument("--workers", type=int, default=2, help="worker processes (2)")
    parser.add_argument(
        "--requests", type=int, default=400, help="requests of 8 texts before the measurement"
    )
    arguments = begin(parser)
    if arguments.quick:
        arguments.requests = 40
    found = {"minilm serve": of_the_server(arguments.workers, arguments.requests)}
    for method in ("fork", "spawn"):
        found[f"multiprocessing, {method}"] = of_multiprocessing(method, arguments.workers)
    rows = []
    for start, of in found.items():
        of["together"] = {"pss": sum(row["pss"] for row in of.values())}
        for name, row in of.items():
            rows.append([start, name, *(f"{row[kind]:.0f}" if kind in row else "" for kind in KINDS)])
    print_table(["started by", "process", "RSS, MiB", "private, MiB", "PSS, MiB"], rows)
    write("workers", arguments, found)


def of_the_server(workers: int, requests: int) -> dict[str, dict[str, float]]:
    """What each process of a server holds after some requests."""
    command = [sys.executable, "-m", "minilm", "serve", "--port", "0", "--workers", str(workers)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr
            ask(re.findall(r"http://\S+", server.stderr.readline())[0], requests)
            return {name: memory(process) for name, process in processes(server.pid).items()}
        finally:
            server.terminate()


def of_multiprocessing(method: str, workers: int) -> dict[str, dict[str, float]]:
    """What each process holds while all of them, and their parent, have encoded the same texts."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, method, str(workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdin
        assert parent.stdout
        names = ["parent", *(f"worker {n}" for n in range(1, workers + 1))]
        found = {name: memory(int(parent.stdout.readline())) for name in names}
        parent.stdin.close()  # tells it to end
    return found


# Prints the ids of its processes when all have encoded, and keeps them until its input ends.
PARENT = """
import multiprocessing, os, sys
from benchmarks.harness import short_texts
from benchmarks.workers import work
from minilm import MiniLM

model = MiniLM()
model.encode(short_texts()[:800])
context = multiprocessing.get_context(sys.argv[1])
done, end = context.Semaphore(0), context.Event()
started = [context.Process(target=work, args=(model, done, end)) for _ in range(int(sys.argv[2]))]
for process in started:
    process.start()
for process in started:
    done.acquire()
model.encode(short_texts()[:800])
print(os.getpid(), *(process.pid for process in started), sep="\\n", flush=True)
sys.stdin.read()
end.set()
for process in started:
    process.join()
"""


def work(model: MiniLM, done: Any, end: Any) -> None:  # noqa: ANN401 - multiprocessing has no types for these
    """Encode, say so, and wait: what a worker process does."""
    model.encode(short_texts()[:800])
    done.release()
    end.wait()


def ask(url: str, requests: int) -> None:
    """Send requests of 8 texts, each over a new connection, so that every worker answers some."""
    texts = short_texts()
    for index in range(requests):
        body = json.dumps({"inputs": [texts[(8 * index + i) % len(texts)] for i in range(8)]}).encode()
        request = urllib.request.Request(f"{url}/embed", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            answer.read()


def processes(parent: int) -> dict[str, int]:
    """The process ids of the parent and its workers, by what they are called in the table."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii").split()
    return {"parent": parent, **{f"worker {n}": int(child) for n, child in enumerate(children, 1)}}


def memory(process: int) -> dict[str, float]:
    """What a process holds, in MiB, by kind."""
    kib = dict(re.findall(r"(\w+):\s+(\d+) kB", Path(f"/proc/{process}/smaps_rollup").read_text("ascii")))
    return {kind: sum(int(kib[name]) for name in names) / 1024 for kind, names in KINDS.items()}


if __name__ == "__main__":
    main()
