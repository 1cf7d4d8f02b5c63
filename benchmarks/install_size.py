"""What `pip install minilm` puts on a disk, and how a folder of it starts where nothing may be written.

    python -m benchmarks.install_size [--rounds 5]

The second part is what a function in a cloud has: `pip install --target`, the weights inside, one process, a
file system that is read-only, and 512 MB of memory. A control group sets the limit where root may make one.
Else the address space is limited, which is stricter: it counts what is reserved as well.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import Distribution, distributions
from pathlib import Path

from benchmarks.harness import begin, options, print_table, spread, write
from minilm.hub import find_checkpoint

ROOT = Path(__file__).resolve().parents[1]
MB = 10**6
LIMIT_MB = 512
TEXT = "How do I reset my password?"
HANDLER = """
import json
from minilm import MiniLM
model = MiniLM({weights!r})
vector = model.encode({text!r})
writable = True
try:
    open({folder!r} + "/written", "w")
except OSError:
    writable = False
from pathlib import Path
peak = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(json.dumps([float(vector @ vector), writable, int(peak[0].split()[1]) * 1024 / 1e6]))
"""


def main() -> None:
    """Install, measure, print, write."""
    arguments = begin(options(__doc__, rounds=5))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "layer"
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-compile",
            "--target",
            str(folder),
            str(ROOT),
        ]
        subprocess.run(pip, check=True)
        sizes = {one.metadata["Name"].lower(): size(one) for one in distributions(path=[str(folder)])}
        bytecode_mb = compiled(folder)
        environment = Path(temporary) / "environment"
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        environment_mb = files_mb(environment)
        for path in folder.glob("hf_xet*"):  # it only downloads, and nothing here does
            shutil.rmtree(path)
        found = find_checkpoint().directory.resolve()
        weights = folder / "weights"
        shutil.copytree(found, weights)
        weights_mb, layer_mb = files_mb(weights), files_mb(folder)
        runs, limit = cold_starts(folder, weights, arguments.rounds)
        without, _ = cold_starts(folder, weights, arguments.rounds, "-X", "pycache_prefix=/nowhere")
    ordered = dict(sorted(sizes.items(), key=lambda item: -item[1]))
    print_table(["package", "MB"], [[name, f"{mb:.1f}"] for name, mb in ordered.items()])
    seconds, peak = spread(one[0] for one in runs), spread(one[1] for one in runs)
    compiling = spread(one[0] for one in without)
    print(
        f"\nweights {weights_mb:.1f} MB; start to first vector {seconds.show(2)} s, peak {peak.show()} MB, "
        f"limited by {limit}; without bytecode {compiling.show(2)} s"
    )
    results = {
        "packages_mb": ordered,
        "bytecode_mb": bytecode_mb,
        "environment_mb": environment_mb,
        "weights_mb": weights_mb,
        "layer_mb": layer_mb,
        "removed": "hf-xet",
        "limit": limit,
        "limit_mb": LIMIT_MB,
    }
    write(
        "install_size",
        arguments,
        results
        | {
            "cold_start_seconds": seconds._asdict(),
            "compiling_start_seconds": compiling._asdict(),
            "peak_mb": peak._asdict(),
        },
    )


def files_mb(folder: Path, pattern: str = "*") -> float:
    """The MB of the files at any depth of a folder; links count as nothing."""
    files = (path for path in folder.rglob(pattern) if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files) / MB


def compiled(folder: Path) -> float:
    """Compile all modules of a folder, which a start on a read-only disk cannot; return the MB of it.

    Python takes such bytecode as it is. Else it compares times of change, which a zip does not keep exactly.
    """
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([*command, str(folder)], check=False)
    return files_mb(folder, "*.pyc")


def size(distribution: Distribution) -> float:
    """The MB of a package's files, without compiled bytecode."""
    record = distribution.read_text("RECORD") or ""
    return sum(int(row[2] or 0) for row in csv.reader(record.splitlines())) / MB


def cold_starts(
    folder: Path, weights: Path, rounds: int, *options: str
) -> tuple[list[tuple[float, float]], str]:
    """Seconds and peak MB of each process, with options of Python, and how its memory was limited."""
    code = HANDLER.format(weights=str(weights), text=TEXT, folder=str(folder))
    limit, limited, remove = memory_limit()
    # Root too may not write to a mount that is read-only. Not every machine lets / be mounted again.
    read_only = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && '
    read_only += "{ mount -o remount,bind,ro / 2>/dev/null || true; } && "
    command = ["unshare", "--mount", "sh", "-c", read_only + 'exec "$@"', str(folder)]
    command += [sys.executable, "-s", "-B", *options, "-c", code]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(folder),
        "HOME": "/nowhere",
        "HF_HUB_OFFLINE": "1",
    }
    runs = []
    try:
        for _ in range(rounds):
            start = time.perf_counter()
            done = subprocess.run(
                command,
                env=environment,
                cwd="/",
                preexec_fn=limited,
                capture_output=True,
                text=True,
                check=False,
            )
            seconds = time.perf_counter() - start
            if done.returncode:
                sys.exit(f"a start failed with exit status {done.returncode}:\n{done.stderr}")
            norm, writable, peak = json.loads(done.stdout)
            assert abs(norm - 1) < 1e-5, norm  # a unit vector in float32
            assert not writable, "the file system is not read-only"
            runs.append((seconds, peak))
    finally:
        remove()
    return runs, limit


def memory_limit() -> tuple[str, Callable[[], None], Callable[[], None]]:
    """How memory is limited, what a child calls to be limited, and what removes the limit."""
    for root, name in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = Path(root) / f"minilm-{os.getpid()}"
        try:
            group.mkdir()
            (group / name).write_text(str(LIMIT_MB * MB))
        except OSError:
            if group.is_dir():
                group.rmdir()
            continue

        def enter(group: Path = group) -> None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

        return "a control group", enter, group.rmdir

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT_MB * MB, LIMIT_MB * MB))

    return "the address space", limit, lambda: None


if __name__ == "__main__":
    main()
