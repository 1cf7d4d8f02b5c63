"""The peak memory of minilm encode, for a small corpus and for a large one.

    python -m benchmarks.corpus_memory [--rows 10000 100000 1000000] [--dedupe] [--keep] [--quick]

The command encodes each corpus from JSON Lines to Parquet, in its own process. A text is one word, since the
memory does not depend on the time that the encoder takes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from benchmarks.corpus import write_rows
from benchmarks.harness import begin, options, peak_mib, print_table, short_texts, write


def main() -> None:
    """Measure, print, write."""
    parser = options(__doc__, threads=False, rounds=1)
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="rows of each corpus"
    )
    parser.add_argument("--dedupe", action="store_true", help="encode with --dedupe")
    parser.add_argument("--keep", action="store_true", help="encode with --keep")
    arguments = begin(parser)
    if arguments.quick:
        arguments.rows = [1_000, 10_000]
    peaks: dict[str, float] = {}
    words = [word for text in short_texts() for word in text.split()]
    with tempfile.TemporaryDirectory() as folder:
        for rows in arguments.rows:
            source = Path(folder) / f"{rows}.jsonl"
            write_rows(source, islice(cycle(words), rows))
            flags = [f"--{name}" for name in ("dedupe", "keep") if getattr(arguments, name)]
            peaks[str(rows)] = encode(source, Path(folder) / "out.parquet", flags)
    print_table(
        ["rows", "peak memory, MiB"], [[f"{int(rows):,}", f"{peak:,.0f}"] for rows, peak in peaks.items()]
    )
    write("corpus_memory", arguments, peaks)


def encode(source: Path, output: Path, flags: list[str]) -> float:
    """Return the peak memory of ``minilm encode`` in MiB; the output is deleted."""
    command = [sys.executable, "-m", "minilm", "encode", str(source), "-o", str(output)]
    start = time.perf_counter()
    # without stdin: the command must not read that of this process
    with subprocess.Popen([*command, *flags], stdin=subprocess.DEVNULL) as process:
        peak = peak_mib(process)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed with exit status {process.returncode}")
    print(f"{source.stem} rows: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    output.unlink()
    output.with_name(output.name + ".manifest.json").unlink()
    return peak


if __name__ == "__main__":
    main()
