"""Whether the working tree is slower than a revision of this repository, and whether its vectors differ.

    python -m benchmarks.revisions REVISION [--threads 2] [--rounds 15] [--quick]

Each round starts three processes: the working tree, the revision, and the revision once more, which is the
control. Every second round has the opposite order. A ratio is between two processes of one round; its
difference from 1 in the control is noise. All get the same texts and the same weights, in float32.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness import begin, long_texts, options, print_table, settle, short_texts, spread, write
from benchmarks.report import ROOT, revision_rows
from minilm.hub import find_checkpoint

# The smaller of two times in one process: other programs only add to it.
PROGRAM = """
import hashlib, json, sys, time, warnings
from pathlib import Path
import minilm
tree, directory, threads, kinds = json.load(sys.stdin)
assert Path(minilm.__file__).is_relative_to(tree), minilm.__file__
warnings.simplefilter("ignore")
model = minilm.MiniLM(directory, threads=threads)
found = {}
for kind, calls in kinds.items():
    vectors = [model.encode(texts) for texts in calls]
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        for texts in calls:
            model.encode(texts)
        seconds.append(time.perf_counter() - start)
    digest = hashlib.sha256(b"".join(one.tobytes() for one in vectors)).hexdigest()
    found[kind] = [min(seconds), digest]
print(json.dumps(found))
"""


def main() -> None:
    """Measure, print, write."""
    parser = options(__doc__, rounds=15)
    parser.add_argument("revision", help="what git calls it, such as HEAD or v0.1.0")
    arguments = begin(parser)
    commit = git("rev-parse", "--verify", f"{arguments.revision}^{{commit}}").decode().strip()
    short = short_texts()
    kinds = {
        "one query": [[text] for text in short[:: len(short) // 50][:50]],
        "256 short texts": [short[:256]],
        "16 long texts": [long_texts(16)],
    }
    with TemporaryDirectory() as folder:
        revision = str(Path(folder).resolve())
        with tarfile.open(fileobj=io.BytesIO(git("archive", commit, "minilm", "weights"))) as archive:
            archive.extractall(revision, filter="data")
        places = {"tree": str(ROOT), "revision": revision, "control": revision}
        given = [str(find_checkpoint().directory), arguments.threads, kinds]
        rounds: list[dict[str, Any]] = []
        for i in range(arguments.rounds):
            names = list(places)[:: -1 if i % 2 else 1]
            rounds.append({name: run(places[name], given) for name in names})

    results: dict[str, dict[str, Any]] = {}
    for kind, calls in kinds.items():
        times = [{name: found[kind][0] for name, found in one.items()} for one in rounds]
        results[kind] = {
            "ratio": spread(one["tree"] / one["revision"] for one in times)._asdict(),
            "control": spread(one["control"] / one["revision"] for one in times)._asdict(),
            "revision_ms": 1000 * spread(one["revision"] for one in times).median / len(calls),
            "same_bits": len({found[kind][1] for one in rounds for found in one.values()}) == 1,
        }
    print_table(*revision_rows(results))
    now = git("rev-parse", "--short=7", "HEAD").decode().strip()
    now += " with changes" if git("status", "--porcelain", "minilm") else ""
    write("revisions", arguments, results, commit=commit, tree=now)


def git(*arguments: str) -> bytes:
    """What a command of git prints about this repository."""
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout


def run(tree: str, given: list[Any]) -> dict[str, tuple[float, str]]:
    """Seconds and the digest of the vectors by kind of texts, of the package that lies in a folder."""
    settle()
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": tree},
        input=json.dumps([tree, *given]),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, tuple[float, str]] = json.loads(finished.stdout)
    return found


if __name__ == "__main__":
    main()
