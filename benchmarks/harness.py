"""How everything here is measured: the texts, the rounds, the environment, the files of results."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from minilm import MiniLM, TruncationWarning
from minilm.fast.blas import blas_info
from minilm.fast.cores import available_cores
from tests.parity.shared import SHARED

RESULTS = Path(__file__).resolve().parent / "results"

# OpenBLAS chooses its kernels by these instead of by the CPU, when numpy is imported.
PINNING_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")

PACKAGES = ("numpy", "minilm", "tokenizers", "torch", "transformers", "sentence-transformers", "onnxruntime")

SENTENCES_PER_DOCUMENT = 14


# If other programs use more cores than this, a run is not reliable.
TOLERATED_LOAD = 0.1


class Spread(NamedTuple):
    """Median, smallest and largest of several measurements of one thing."""

    median: float
    low: float
    high: float

    def show(self, digits: int = 0) -> str:
        """Median (min..max), as a cell of a table."""
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f}..{self.high:,.{digits}f})"


def spread(values: Iterable[float]) -> Spread:
    """Median, smallest and largest of ``values``."""
    values = list(values)
    return Spread(statistics.median(values), min(values), max(values))


# ---- the run


def options(
    description: str | None, *, threads: bool = True, rounds: int | None = 5
) -> argparse.ArgumentParser:
    """Return a parser with the options that the scripts share; ``description`` is the script's docstring.

    With ``rounds`` None no time is measured, and there is no ``--rounds``.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if threads:
        parser.add_argument(
            "--threads", type=int, default=2, help="threads for every system (default: %(default)s)"
        )
    if rounds is not None:
        parser.add_argument(
            "--rounds", type=int, default=rounds, help=f"rounds to take the median of (default: {rounds})"
        )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="few texts, two rounds, results in results/quick: checks that the script works",
    )
    parser.add_argument(
        "--keep-environment", action="store_true", help=f"do not unset {' and '.join(PINNING_VARIABLES)}"
    )
    return parser


def begin(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line, in a process whose BLAS has chosen its kernels by the CPU."""
    arguments = parser.parse_args()
    if arguments.quick and "rounds" in arguments:
        arguments.rounds = min(arguments.rounds, 2)
    pinned = [name for name in PINNING_VARIABLES if name in os.environ]
    if pinned and not arguments.keep_environment:
        print(f"starting again without {', '.join(pinned)} in the environment", file=sys.stderr)
        environment = {name: value for name, value in os.environ.items() if name not in pinned}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
    # the long documents are cut at the same token by every system
    warnings.simplefilter("ignore", TruncationWarning)
    print(f"{cpu_model()}, {available_cores()} cores; numpy on {blas_info()}\n")
    _Others.begin()
    return arguments


def alternate(
    systems: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    warm_up: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds that each system takes in each round.

    All systems run in every round, so that a slow moment of the machine affects all of them. Each round has
    another order, so that no system always runs after the same other one.
    """
    names = list(systems)
    for _ in range(warm_up):
        for name in names:
            systems[name]()
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    shuffle = random.Random(0).shuffle
    for _ in range(rounds):
        shuffle(names)
        for name in names:
            settle()
            start = clock()
            systems[name]()
            seconds[name].append(clock() - start)
    return seconds


def peak_mib(process: subprocess.Popen[Any]) -> float:
    """Wait for a process; the most memory that it held, in MiB.

    The peak of a forked process includes its parent's memory, so the caller must import nothing heavy.
    """
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # bytes on macOS, KiB elsewhere
    return usage.ru_maxrss / unit


def settle() -> None:
    """Wait until the last system's threads sleep: OpenMP's and ONNX Runtime's wait in busy loops first."""
    time.sleep(0.05)


class _Others:
    """How busy the machine was with anything else during the run.

    Threads that wait for one another, as those of OpenMP and ONNX Runtime do, lose far more by a busy core
    than threads with a pack each. So a disturbed run is unfair.
    """

    start = (0.0, 0.0, 0.0)

    @classmethod
    def begin(cls) -> None:
        cls.start = cls._now()

    @classmethod
    def cores(cls) -> float | None:
        """Cores that other processes and other guests used on average; None where Linux does not say."""
        elapsed, busy, own = (now - then for now, then in zip(cls._now(), cls.start, strict=True))
        return max(0.0, round((busy - own) / elapsed, 2)) if busy else None

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Seconds of the clock, of all cores' work, and of this process's and its children's."""
        try:
            fields = [int(field) for field in Path("/proc/stat").read_text("utf-8").split()[1:9]]
            user, nice, system, _idle, _iowait, interrupts, soft, stolen = fields
            jiffies = user + nice + system + interrupts + soft + stolen
            busy = jiffies / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError):
            busy = 0.0
        return time.perf_counter(), busy, sum(os.times()[:4])


# ---- the texts


def short_texts() -> list[str]:
    """The 2,552 distinct sentences of the STS Benchmark's test split, in the order of their first use."""
    return sts_sentences("test")


def sts_sentences(split: str) -> list[str]:
    """Return the distinct sentences of a split of the STS Benchmark, in the order of their first use."""
    path = SHARED / "sts" / f"sts-{split}.csv"
    if not path.is_file():
        sys.exit(f"the STS Benchmark is not here ({path}); MINILM_SHARED names the folder that holds sts/")
    rows = [line.split("\t") for line in path.read_text("utf-8").splitlines()]
    return list(dict.fromkeys(sentence for row in rows for sentence in row[5:7]))


def long_texts(documents: int = 100) -> list[str]:
    """Documents of 14 consecutive sentences each, about 200 tokens."""
    sentences, step = short_texts(), SENTENCES_PER_DOCUMENT
    return [" ".join(sentences[i * step : (i + 1) * step]) for i in range(documents)]


def mixed_texts(short: int = 600, long: int = 60) -> list[str]:
    """Sentences and documents, shuffled, the same way each time."""
    texts = short_texts()[:short] + long_texts(long)
    random.Random(0).shuffle(texts)
    return texts


def count_tokens(model: MiniLM, texts: Sequence[str]) -> list[int]:
    """Tokens of each text as the encoder sees them, special tokens included."""
    return [int(row.sum()) for row in model.tokenize(texts)["attention_mask"]]


# ---- the results


def cpu_model() -> str:
    """The CPU's name, with its family, for virtual machines call a Zen 4 and a Zen 5 both "AMD EPYC"."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return f"{fields['model name']} (family {fields['cpu family']}, model {fields['model']})"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()


def write(name: str, arguments: argparse.Namespace, results: object, **more: object) -> None:
    """Write results/NAME.json: what was measured, on what, with what, when."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    others = _Others.cores() if "rounds" in arguments else None  # they disturb only times
    if others is not None and others > TOLERATED_LOAD:
        print(f"\nNot reliable: other programs used {others} cores meanwhile.", file=sys.stderr)
    described: dict[str, Any] = {
        "benchmark": name,
        "date": date.today().isoformat(),
        "machine": {
            "cpu": cpu_model(),
            "cores": available_cores(),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "blas": blas_info()._asdict(),
        "versions": versions,
        "cores_used_by_others": others,
        "options": {key: value for key, value in vars(arguments).items() if key != "keep_environment"},
        **more,
        "results": results,
    }
    if arguments.keep_environment:  # the file with the CPU's own kernels stays
        name = f"{name}-{blas_info().kernel}"
    folder = RESULTS / "quick" if arguments.quick else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(described, indent=2) + "\n", "utf-8")
    print(f"\nwritten: {path.relative_to(RESULTS.parents[1])}", file=sys.stderr)


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print(f"| {' | '.join(header)} |")
    print(f"|{'---|' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
