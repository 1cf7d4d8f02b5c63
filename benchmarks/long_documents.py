"""The peak memory of reading a document and cutting it into pieces, for a small one and for long ones.

    python -m benchmarks.long_documents [--megabytes 0 10 100] [--quick]

Each document is read and cut in a process of its own, as minilm index does it, and its pieces are counted.
They are not encoded, since the memory does not depend on the time that the encoder takes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from benchmarks.harness import begin, options, peak_mib, print_table, short_texts, write

# Of each kind, a section with a number and a text.
SECTIONS = {
    "txt": "{1}\n\n",
    "md": "## Part {0}\n\n{1}\n\n",
    "rst": "Part {0}\n==============\n\n{1}\n\n",
    "html": "<h2>Part {0}</h2>\n<p>{1}</p>\n",
}
CUT = """
import sys
from minilm import MiniLM
from minilm.documents.find import TableColumns, find_documents
from minilm.documents.sections import sections
from minilm.text.pieces import piece_cutter

[path] = sys.argv[1:]
model = MiniLM()
for found in find_documents([path], TableColumns()):
    document = found.read()
    cut = piece_cutter(model, markup=document.markup)
    stretches = sections(document.stretches, at_headings=document.has_sections)
    print(sum(1 for stretch in stretches for _ in cut(stretch.start, stretch.text)))
"""


def main() -> None:
    """Measure, print, write."""
    parser = options(__doc__, threads=False, rounds=1)
    parser.add_argument(
        "--megabytes", type=int, nargs="+", default=[0, 10, 100], help="sizes of the documents"
    )
    arguments = begin(parser)
    if arguments.quick:
        arguments.megabytes = [0, 2]
    peaks: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in SECTIONS:
            for size in arguments.megabytes:
                path = Path(folder) / f"{size}.{kind}"
                write_document(path, size * 1_000_000)
                peaks.setdefault(kind, {})[str(size)] = read_and_cut(path)
                path.unlink()
    rows = [[kind, *(f"{peak:,.0f}" for peak in found.values())] for kind, found in peaks.items()]
    print_table(["peak memory, MiB", *(f"{size} MB" for size in arguments.megabytes)], rows)
    write("long_documents", arguments, peaks)


def write_document(path: Path, size: int) -> None:
    """Write sections of eight sentences until a file has a size in bytes; one section at least."""
    sentences = cycle(short_texts())
    with path.open("w", encoding="utf-8", newline="\n") as file:
        number = 0
        while number == 0 or file.tell() < size:
            number += 1
            file.write(SECTIONS[path.suffix[1:]].format(number, " ".join(islice(sentences, 8))))


def read_and_cut(path: Path) -> float:
    """Return the peak memory in MiB of a process that reads and cuts a document."""
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", CUT, str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        pieces = process.stdout.read().strip()
        peak = peak_mib(process)
    if process.returncode:
        sys.exit(f"{path.name} could not be cut: exit status {process.returncode}")
    print(f"{path.name}: {pieces} pieces, {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return peak


if __name__ == "__main__":
    main()
