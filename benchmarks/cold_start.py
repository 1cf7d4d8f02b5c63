"""What a whole process costs: seconds from its start to the first vector, and its peak memory.

    python -m benchmarks.cold_start [--rounds 7] [--quick]

Weights and libraries are on this machine and in its page cache (because a first run of each is not measured).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.harness import begin, options, peak_mib, print_table, spread, write
from benchmarks.peers import check
from minilm.hub import find_checkpoint

ROOT = Path(__file__).resolve().parents[1]
TEXT = "How do I reset my password?"

# The program of each process: its imports, the time they took, and the vector. The braces are filled in.
PROGRAM = """
import json, time
start = time.perf_counter()
{imports}
imported = time.perf_counter() - start
{encode}
print("ready", flush=True)
print(json.dumps([imported, vector.tolist()]))
"""
SYSTEMS = {
    "minilm": ("from minilm import MiniLM", "vector = MiniLM(threads={threads}).encode({text!r})"),
    "sentence-transformers": (
        "import torch\nfrom sentence_transformers import SentenceTransformer",
        "torch.set_num_threads({threads})\n"
        "vector = SentenceTransformer({directory!r}, device='cpu').encode({text!r}, show_progress_bar=False)",
    ),
    "ONNX Runtime": (
        "import numpy, onnxruntime, tokenizers",
        "from pathlib import Path\nfrom benchmarks.peers import OnnxRuntime\n"
        "vector = OnnxRuntime(Path({directory!r}), {threads}).encode([{text!r}], 1)[0]",
    ),
}


class Run(NamedTuple):
    """The measurements of one process."""

    import_seconds: float
    seconds: float
    peak_mib: float
    vector: list[float]


def main() -> None:
    """Measure, print, write."""
    arguments = begin(options(__doc__, rounds=7))
    directory = str(find_checkpoint().directory)
    programs = {
        name: PROGRAM.format(
            imports=imports,
            encode=encode.format(threads=arguments.threads, directory=directory, text=TEXT),
        )
        for name, (imports, encode) in SYSTEMS.items()
    }
    warm = {name: run(program) for name, program in programs.items()}  # the first run may export the model
    expected = np.array(warm["minilm"].vector, np.float32)
    for name, first in warm.items():
        check(name, np.array(first.vector, np.float32), expected)

    runs: dict[str, list[Run]] = {name: [] for name in programs}
    for _ in range(arguments.rounds):
        for name, program in programs.items():
            runs[name].append(run(program))

    results, rows = {}, []
    for name, of_system in runs.items():
        imports = spread(one.import_seconds for one in of_system)
        seconds = spread(one.seconds for one in of_system)
        peak = spread(one.peak_mib for one in of_system)
        results[name] = {
            "import_seconds": imports._asdict(),
            "seconds": seconds._asdict(),
            "peak_mib": peak._asdict(),
        }
        rows.append([name, imports.show(3), seconds.show(2), peak.show()])
    print(f"{arguments.threads} threads, {arguments.rounds} processes each: median (min..max)\n")
    print_table(["system", "imports, s", "start to first vector, s", "peak memory, MiB"], rows)
    write("cold_start", arguments, results)


def run(program: str) -> Run:
    """Run a program in a process of its own."""
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        ready = process.stdout.readline()
        while ready and ready != "ready\n":  # what a library may have to say before
            ready = process.stdout.readline()
        seconds = time.perf_counter() - start
        rest = process.stdout.read()
        peak = peak_mib(process)
    if process.returncode or not ready:
        sys.exit(f"a process failed with exit status {process.returncode}:\n{program}")
    import_seconds, vector = json.loads(rest)
    return Run(import_seconds, seconds, peak, vector)


if __name__ == "__main__":
    main()
