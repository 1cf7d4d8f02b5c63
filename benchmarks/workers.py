"""The memory of ``minilm serve --workers``, process by process.

    python -m benchmarks.workers [--workers 2] [--quick]

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

from benchmarks.harness import begin, options, print_table, short_texts, write

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
    command = [sys.executable, "-m", "minilm", "serve", "--port", "0", "--workers", str(arguments.workers)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr
            url = re.findall(r"http://\S+", server.stderr.readline())[0]
            ask(url, arguments.requests)
            found = {name: memory(process) for name, process in processes(server.pid).items()}
        finally:
            server.terminate()
    found["together"] = {"pss": sum(row["pss"] for row in found.values())}
    rows = [
        [name, *(f"{row[kind]:.0f}" if kind in row else "" for kind in KINDS)] for name, row in found.items()
    ]
    print_table(["process", "RSS, MiB", "private, MiB", "PSS, MiB"], rows)
    write("workers", arguments, found)


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
