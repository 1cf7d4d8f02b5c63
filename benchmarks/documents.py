"""Documents: an update of many files, and a search among many pieces, with its recall.

    python -m benchmarks.documents [--files 10000] [--pieces 10000 100000 1000000] [--queries 200] [--quick]

The files are Markdown of two sections each, made of sentences of the STS Benchmark. ``minilm index`` reads
them first, without a change, and with 1% of them changed. The tables of pieces are filled without an encoder,
for encoding is not what their times are about. A piece joins three sentences, and its vector is the mean of
theirs, scaled to length 1. The queries are other sentences. A cold search is ``minilm search`` as a process.
A warm one is ``Documents.search``, with the snippets. Recall is that of the pieces of an exact search.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa

from benchmarks.harness import begin, options, print_table, short_texts, spread, write
from minilm import Documents, MiniLM
from minilm._arrays import Float32Array
from minilm.corpus.formats.columns import Arrow
from minilm.documents.table import KEY, TABLE, TableRecipe, create_table, schema_of
from minilm.documents.update import index_table
from minilm.pooling import normalize

K, JOINED = 10, 3
_BLOCK = 50_000  # pieces that are made at a time


def main() -> None:
    """Measure, print, write."""
    parser = options(__doc__, threads=False, rounds=3)
    parser.add_argument("--files", type=int, default=10_000, help="files of Markdown (default: 10000)")
    sizes = [10_000, 100_000, 1_000_000]
    parser.add_argument("--pieces", type=int, nargs="*", default=sizes, help="pieces of the tables")
    parser.add_argument("--queries", type=int, default=200, help="warm searches (default: 200)")
    arguments = begin(parser)
    if arguments.quick:
        arguments.files, arguments.pieces, arguments.queries = min(arguments.files, 50), [1000], 20
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        if arguments.files:
            results["update"] = measure_updates(Path(folder), arguments.files, arguments.rounds)
        results["search"] = {}
        for pieces in arguments.pieces:
            place = Path(folder) / f"{pieces}.lance"
            results["search"][str(pieces)] = measure_searches(
                place, pieces, arguments.queries, arguments.rounds
            )
    if arguments.files:
        print(f"{arguments.files:,} files of Markdown, {results['update']['pieces']:,} pieces: seconds\n")
        rows = [[name, f"{results['update'][name]:.1f}"] for name in ("first", "unchanged", "changed")]
        print_table(["update", "seconds"], rows)
    print("\nThe vectors of the pieces were not encoded: each is the mean of those of three sentences.\n")
    header = ["pieces", "cold, s", "p50, ms", "p95, ms", f"recall at {K}", "made in, s"]
    names = ("cold", "p50", "p95", "recall", "made")
    print_table(
        header, ([size, *(f"{row[name]:.3g}" for name in names)] for size, row in results["search"].items())
    )
    write("documents", arguments, results)


# ---- files


def measure_updates(folder: Path, files: int, rounds: int) -> dict[str, float]:
    """Return the seconds of ``minilm index``: at first, without a change, with 1% of the files changed."""
    chance, sentences = random.Random(0), short_texts()
    paths = [folder / "docs" / f"{number // 100}" / f"{number}.md" for number in range(files)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(markdown(chance, sentences), "utf-8")
    first, report = seconds_of_index(folder)
    unchanged = [seconds_of_index(folder)[0] for _ in range(rounds)]
    for path in paths[::100]:
        path.write_text(markdown(chance, sentences), "utf-8")
    changed, _ = seconds_of_index(folder)
    return {
        "first": first,
        "unchanged": spread(unchanged).median,
        "changed": changed,
        "pieces": report["pieces"],
    }


def markdown(chance: random.Random, sentences: list[str]) -> str:
    """Return a document of two sections, each of four sentences."""
    sections = (" ".join(chance.sample(sentences, 4)) for _ in range(2))
    return "# A title\n\n" + "\n\n".join(f"## Section {n}\n\n{text}" for n, text in enumerate(sections, 1))


def seconds_of_index(folder: Path) -> tuple[float, dict[str, Any]]:
    """Return the seconds and the report of one update by the command line."""
    command = [
        sys.executable,
        "-m",
        "minilm",
        "index",
        str(folder / "docs"),
        "--db",
        str(folder / "docs.lance"),
    ]
    seconds, output = timed([*command, "--json"])
    report: dict[str, Any] = json.loads(output)
    return seconds, report


def timed(command: list[str]) -> tuple[float, str]:
    """Return the seconds and the output of a command."""
    start = time.perf_counter()
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return time.perf_counter() - start, output


# ---- searches


def measure_searches(place: Path, pieces: int, asked: int, rounds: int) -> dict[str, float]:
    """Return the seconds of a cold search, the milliseconds of warm ones, and their recall."""
    model, sentences = MiniLM(), short_texts()
    queries, stored = sentences[:asked], sentences[asked:]
    start = time.perf_counter()
    make_table(place, model, stored, pieces)
    made = time.perf_counter() - start
    command = [sys.executable, "-m", "minilm", "search", str(place)]
    cold = [timed([*command, query])[0] for query in queries[:rounds]]
    documents, milliseconds, found = Documents(place, model), [], []
    for query in queries:
        start = time.perf_counter()
        hits = documents.search(query, K)
        milliseconds.append((time.perf_counter() - start) * 1000)
        found.append({hit.document for hit in hits})
    exact = exact_documents(place, model.encode_query(queries))
    recall = float(np.mean([len(a & b) / K for a, b in zip(found, exact, strict=True)]))
    p50, p95 = np.percentile(milliseconds, (50, 95)).tolist()
    return {"cold": spread(cold).median, "p50": p50, "p95": p95, "recall": recall, "made": made}


def make_table(place: Path, model: MiniLM, sentences: list[str], pieces: int) -> None:
    """Write a table of pieces, each a document of its own, as ``minilm index`` would."""
    recipe = TableRecipe.of(model, tokens=128, overlap=0)
    width = model.get_embedding_dimension()
    schema = schema_of(recipe, width)
    table = create_table(str(place), schema)
    table.add(pa.RecordBatchReader.from_batches(schema, blocks(schema, model, sentences, pieces)))
    index_table(table)


def blocks(schema: Arrow, model: MiniLM, sentences: list[str], pieces: int) -> Iterator[Arrow]:
    """Yield the pieces of a table in record batches of Arrow."""
    generator, vectors = np.random.default_rng(0), model.encode_document(sentences)
    for first in range(0, pieces, _BLOCK):
        count = min(_BLOCK, pieces - first)
        rows = generator.integers(len(sentences), size=(count, JOINED))
        texts = [" ".join(sentences[row] for row in own) for own in rows]
        names = [f"/docs/{first + number}.txt" for number in range(count)]
        columns: dict[str, Any] = {name: [""] * count for name in ("found_by", "sha256", "heading")}
        columns |= {"document": names, "path": names, "text": texts, KEY: [f"{name}#0" for name in names]}
        columns |= {"piece": [0] * count, "start": [0] * count, "end": [len(text) for text in texts]}
        columns |= {"line": [1] * count, "end_line": [1] * count}
        means: Float32Array = normalize(vectors[rows].mean(axis=1))  # (count, E)
        columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(means.reshape(-1)), means.shape[1])
        yield pa.RecordBatch.from_pydict(columns, schema=schema)


def exact_documents(place: Path, queries: Float32Array) -> list[set[str]]:
    """Return the documents of the pieces that are nearest to each query, by a search of every vector."""
    table = lancedb.connect(place).open_table(TABLE)
    searches = (
        table.search(query, vector_column_name="vector").distance_type("cosine").bypass_vector_index()
        for query in queries
    )
    found = (search.limit(K).select(["document", "_distance"]).to_list() for search in searches)
    return [{row["document"] for row in rows} for rows in found]


if __name__ == "__main__":
    main()
