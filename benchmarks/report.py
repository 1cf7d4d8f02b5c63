"""Fill the tables of README.md and docs/ from results/*.json, so that nobody types a number by hand.

    python -m benchmarks.report           # write them
    python -m benchmarks.report --check   # fail if a table differs from the results

A table is between ``<!-- table NAME -->`` and ``<!-- end -->``. TABLES has the function for each name.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS, Spread

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    *("README.md", "docs/http-api.md", "docs/performance.md", "docs/parity.md", "docs/integrations.md"),
    "docs/install-size.md",
)
MARKED = re.compile(r"(<!-- table ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

Cells = Sequence[str]


def main() -> None:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(description="Fill the tables of README.md and docs/ from results/*.json")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if something would change")
    check = parser.parse_args().check
    stale = []
    for name in PAGES:
        path = ROOT / name
        page = path.read_text("utf-8")
        filled = fill(page)
        if filled != page:
            stale.append(name)
            if not check:
                path.write_text(filled, "utf-8")
    if check and stale:
        sys.exit(f"{', '.join(stale)} differ from the results; `python -m benchmarks.report` writes them")
    print(f"{'differ' if check else 'written'}: {', '.join(stale) or 'none'}")


def fill(page: str) -> str:
    """The page with every marked table made again."""
    return MARKED.sub(lambda match: f"{match[1]}\n{TABLES[match[2]]()}\n{match[3]}", page)


# ---- what was measured


def results(name: str) -> Any:  # noqa: ANN401 - as the script that wrote it has it
    """The content of results/NAME.json."""
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def measured(name: str) -> str:
    """The line that says on what a table was measured, and by which command."""
    file = results(name)
    machine, blas, versions = file["machine"], file["blas"], file["versions"]
    peers = [f"{p} {versions[p]}" for p in ("sentence-transformers", "torch", "onnxruntime") if p in versions]
    library = {"openblas": "OpenBLAS"}.get(blas["library"], blas["library"])
    how = file["benchmark"] + (" --keep-environment" if name.endswith("Haswell") else "")
    how += "".join(f" --{flag}" for flag in ("dedupe", "keep") if file["options"].get(flag))
    how += f" {file['options']['revision']}" if "revision" in file["options"] else ""
    rounds = file["options"].get("rounds", 1)
    if minutes := file["options"].get("minutes"):
        how, rounds = f"load --minutes {minutes:g} --clients {file['options']['clients']}", 1
    return (
        f"\nMeasured on {machine['cpu']}, {machine['cores']} cores, Python {versions['python']}, numpy "
        f"{versions['numpy']} with {library} {blas['version']} and its {blas['kernel']} kernels"
        + (f", {', '.join(peers)}" if peers else "")
        + (f"; median (smallest..largest) of {rounds} rounds" if rounds > 1 else "")
        + f"; {file['date']}, by `python -m benchmarks.{how}`.\n"
    )


def table(header: Cells, rows: Iterable[Cells]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(cells)} |\n" for cells in (header, *rows)]
    return "".join([lines[0], f"|{'---|' * len(header)}\n", *lines[1:]])


def median(value: Mapping[str, float], digits: int = 0) -> str:
    """The median of a spread."""
    return f"{value['median']:,.{digits}f}"


def show(value: Mapping[str, float], digits: int = 0) -> str:
    """Median and range of a spread."""
    return Spread(**value).show(digits)


# ---- the README's, and the summary of docs/performance.md


def reasons() -> str:
    """The README's three reasons, with one number each."""
    ours, theirs = (
        results("cold_start")["results"][name]["seconds"]["median"]
        for name in ("minilm", "sentence-transformers")
    )
    errors = results("exactness")["results"]
    error = errors["`MiniLM.encode`, float32, against the original in float32"]["largest"]
    lines = len((ROOT / "minilm/encoder.py").read_text("utf-8").splitlines())
    return (
        f"- **Light.** A new process has its first vector {theirs / ours:.0f} times sooner than one with "
        "sentence-transformers\n  (AMD Zen 5; [other machines](docs/performance.md)).\n"
        f"- **Exact.** No number differs from the original's by more than {error:.1e}, "
        "on 142 difficult texts\n  ([parity](docs/parity.md)).\n"
        f"- **Readable.** BERT is {lines} lines of numpy: [`encoder.py`](minilm/encoder.py), "
        "one formula per function.\n"
    )


def speed_in_short() -> str:
    """The sentence under the README's plot: where minilm is ahead, and where it is not."""
    rates = {
        name: found["texts_per_second"]["median"]
        for name, found in results("throughput")["results"]["short"]["systems"].items()
    }
    ours = rates["minilm"]
    one = {name: found["median_ms"] for name, found in results("latency")["results"]["2 threads"].items()}
    return (
        "On two cores of an AMD Zen 5, minilm encodes short texts "
        f"{ours / rates['sentence-transformers']:.1f} times as fast as sentence-transformers and\n"
        f"{ours / rates['ONNX Runtime']:.1f} times as fast as ONNX Runtime; "
        f"ONNX Runtime is ahead on one short query "
        f"({one['ONNX Runtime']:.2f} ms against {one['minilm']:.2f}),\n"
        "on Intel, on AVX2 kernels, and on long texts on a Zen 4.\n"
    )


def readme_speed() -> str:
    """The peers beside minilm, one question per row, the best in bold."""
    names = ("minilm", "sentence-transformers", "ONNX Runtime")
    throughput, latency, cold = (results(n)["results"] for n in ("throughput", "latency", "cold_start"))

    def row(
        what: str, values: Sequence[float], digits: int, best: Callable[[Sequence[float]], float]
    ) -> Cells:
        cells = [f"{v:,.{digits}f}" for v in values]
        return [what, *(f"**{c}**" if v == best(values) else c for c, v in zip(cells, values, strict=True))]

    def per_second(kind: str) -> list[float]:
        return [throughput[kind]["systems"][n]["texts_per_second"]["median"] for n in names]

    def texts(kind: str, what: str) -> str:
        return f"{throughput[kind]['texts']:,} {what}, {throughput[kind]['mean_tokens']:.0f} tokens"

    return table(
        ["2 threads, float32", *names],
        [
            row(f"short texts per second ({texts('short', 'sentences')})", per_second("short"), 0, max),
            row(f"long texts per second ({texts('long', 'documents')})", per_second("long"), 0, max),
            row(
                "one short query, ms (median)", [latency["2 threads"][n]["median_ms"] for n in names], 2, min
            ),
            row(
                "one short query on 1 thread, ms",
                [latency["1 threads"][n]["median_ms"] for n in names],
                2,
                min,
            ),
            row("new process to its first vector, s", [cold[n]["seconds"]["median"] for n in names], 2, min),
            row("its peak memory, MiB", [cold[n]["peak_mib"]["median"] for n in names], 0, min),
        ],
    )


def load() -> str:
    """Requests per second and waiting times by the number of clients, with and without dynamic batching."""
    servers = results("load")["results"]
    columns = ("requests per second", "p50, ms", "p99, ms")

    def cells(server: str, clients: str) -> list[str]:
        result = servers[server][clients]
        waits = [result[name]["median"] for name in ("p50_ms", "p99_ms")]
        shown = [f"{wait:.1f}" if wait < 100 else f"{wait:.0f}" for wait in waits]
        return [median(result["requests_per_second"]), *shown]

    header = ["clients", *columns, f"one request at a time: {columns[0]}", *columns[1:]]
    rows = [[c, *cells("gathered", c), *cells("one at a time", c)] for c in servers["gathered"]]
    return table(header, rows)


def endurance() -> str:
    """What became of the requests of mixed clients, and the server's memory."""
    found = results("load_minutes")["results"]
    memory = ", ".join(f"{mib:.0f}" for mib in found["mib_by_minute"])
    return table(
        ["", ""],
        [
            ["requests", f"{found['requests']:,}"],
            ["of which the client left", f"{found['left']:,}"],
            ["of which the body was slow", f"{found['slow']:,}"],
            ["lost, or with a wrong vector", f"{found['lost']:,}"],
            ["vectors, all compared", f"{found['vectors']:,}"],
            ["p50, p99 of an answer, s", f"{found['p50_ms'] / 1000:.1f}, {found['p99_ms'] / 1000:.1f}"],
            ["tokens encoded", f"{found['tokens_encoded']:,.0f}"],
            ["tokens not encoded, of clients that left", f"{found['tokens_saved']:,.0f}"],
            ["memory of the server, minute by minute, MiB", memory],
        ],
    )


def workers() -> str:
    """What each process holds, where several use one model."""
    cells = [
        [start, name, *(f"{row[kind]:.0f}" if kind in row else "" for kind in ("rss", "private", "pss"))]
        for start, found in results("workers")["results"].items()
        for name, row in found.items()
    ]
    return table(["started by", "process", "RSS, MiB", "private, MiB", "PSS, MiB"], cells)


def exactness() -> str:
    """The largest and mean error, of ours and of the original."""
    errors = results("exactness")["results"]
    rows = [[what, f"{e['largest']:.1e}", f"{e['mean']:.1e}"] for what, e in errors.items()]
    return table(["error in any of 384 components", "largest", "mean"], rows)


def sentences() -> str:
    """The errors on 10,000 sentences, of ours and of the original."""
    rows = [
        [what, *(f"{value:.2e}" for value in e.values())]
        for what, e in results("sentences")["results"].items()
    ]
    return table(
        ["error in any of 384 components", "largest", "root mean square", "mean of each text's largest"], rows
    )


# ---- docs/integrations.md


def adapters(found: Mapping[str, Any]) -> tuple[Cells, list[Cells]]:
    """The header and the rows: how a project's users plug minilm in, and what that saves."""
    header = ["project", "what you write", "works by", "largest difference", "megabytes saved"]
    rows: list[Cells] = [
        [
            f"[{project}](#{project.lower()}) {row['version']}",
            row["place"],
            row["works_by"],
            f"{row['difference']:.1e}",
            "pip installs torch anyway" if row["needs_torch"] else f"{row['megabytes']:,.0f}",
        ]
        for project, row in found.items()
    ]
    return header, rows


def integrations() -> str:
    """The table of adapters."""
    return table(*adapters(results("integrations")["results"]))


def unchanged_packages(found: Mapping[str, Any]) -> tuple[Cells, list[Cells]]:
    """The header and the rows: which packages run unchanged after ``install()``."""
    header = ["project", "package", "what its users write", "largest difference", "torch"]
    rows: list[Cells] = [
        [
            project,
            f"{row['package']} {row['version']}",
            f"`{row['written']}`",
            f"{row['difference']:.1e}",
            "it needs torch anyway" if row["needs_torch"] else "absent",
        ]
        for project, row in found.items()
    ]
    return header, rows


def unchanged() -> str:
    """The table of packages that run unchanged after ``install()``."""
    return table(*unchanged_packages(results("unchanged")["results"]))


# ---- docs/parity.md


def differences() -> str:
    """The largest difference from sentence-transformers, by public function."""
    found = results("parity")["results"].items()
    rows = [
        [f"`{name}`{rest}", f"{value:.1e}" if value else "none"] for name, rest, value in map(_named, found)
    ]
    return table(["function", "largest difference"], rows)


def _named(item: tuple[str, float]) -> tuple[str, str, float]:
    name, comma, rest = item[0].partition(",")
    return name, comma + rest, item[1]


def differences_of() -> str:
    """The versions that docs/parity.md compares."""
    file = results("parity")
    versions = ", ".join(f"{name} {number}" for name, number in file["versions"].items())
    return (
        f"Compared with {versions}; numpy on {file['blas']['library']}'s {file['blas']['kernel']} kernels.\n"
    )


# ---- docs/performance.md


def throughput(name: str) -> Callable[[], str]:
    """Texts per second, by kind of texts and system."""

    def made() -> str:
        rows = []
        for kind, result in results(name)["results"].items():
            ours = result["systems"]["minilm"]["texts_per_second"]["median"]
            what = f"{kind}: {result['texts']:,} of {result['mean_tokens']:.0f} tokens"
            for system, found in result["systems"].items():
                rate = found["texts_per_second"]
                ratio = f"{ours / rate['median']:.2f}"
                rows.append([what, system, str(found["batch_size"]), show(rate), ratio])
        header = ["texts", "system", "batch size", "texts per second", "speed of minilm / its speed"]
        return table(header, rows) + measured(name)

    return made


def latency(name: str) -> Callable[[], str]:
    """Milliseconds for one short query."""

    def made() -> str:
        rows = [
            [threads.split()[0], system, f"{found['median_ms']:.2f}", f"{found['p95_ms']:.2f}"]
            for threads, systems in results(name)["results"].items()
            for system, found in systems.items()
        ]
        return table(["threads", "system", "median, ms", "95th percentile, ms"], rows) + measured(name)

    return made


def cold_start(name: str) -> Callable[[], str]:
    """From the start of a process to its first vector."""

    def made() -> str:
        rows = [
            [system, show(found["import_seconds"], 3), show(found["seconds"], 2), show(found["peak_mib"])]
            for system, found in results(name)["results"].items()
        ]
        header = ["system", "imports, s", "start to first vector, s", "peak memory, MiB"]
        return table(header, rows) + measured(name)

    return made


def scaling(part: str, column: str) -> Callable[[], str]:
    """Tokens per second by one quantity."""

    def made() -> str:
        found = results("scaling")["results"][part]
        return table(
            [column, "tokens per second"], [[f"{int(n):,}", show(rate)] for n, rate in found.items()]
        )

    return made


def lock() -> str:
    """What share of the interpreter's lock a worker takes."""
    rows = [
        [
            kind,
            "{median:.1%} ({low:.1%}..{high:.1%})".format(**found["share"]),
            f"{found['on_paper']:.2%}",
            f"{found['cores']:.0f}",
        ]
        for kind, found in results("gil")["results"].items()
    ]
    header = [
        "texts",
        "share of the lock, measured",
        "on paper",
        "cores that one process could feed, on paper",
    ]
    return table(header, rows)


def floor(name: str) -> Callable[[], str]:
    """How near minilm is to the speed of the matrix products alone."""

    def made() -> str:
        rows = [
            [
                kind,
                f"{found['sgemm_flop_per_second']['median'] / 1e9:.0f}",
                show(found["seconds"], 2),
                f"{found['fraction_of_floor']['median']:.0%}",
            ]
            for kind, found in results(name)["results"].items()
        ]
        return table(
            ["texts", "sgemm, GFLOP/s", "minilm, s", "speed relative to the floor"], rows
        ) + measured(name)

    return made


def stages() -> str:
    """Where one thread's time goes."""
    found = results("floor")["results"]
    names = list(found["short"]["one_thread"]["stages"])
    shares = {
        kind: [
            found[kind]["one_thread"]["stages"][name] / found[kind]["one_thread"]["seconds"] for name in names
        ]
        for kind in found
    }
    rows = [[name, *(f"{shares[kind][i]:.0%}" for kind in found)] for i, name in enumerate(names)]
    return table(["stage", *(f"{kind} texts" for kind in found)], rows)


def ablation() -> str:
    """What each departure of packed.py gains."""
    kinds = ("short", "long", "one query")
    rows = [
        [
            name,
            *(
                median(found["relative_time"][kind], 2) if kind in found["relative_time"] else ""
                for kind in kinds
            ),
            f"{found['largest_error']:.1e}",
        ]
        for name, found in results("ablation")["results"].items()
    ]
    return table(["without", *kinds, "largest error"], rows) + measured("ablation")


def revision_rows(found: Mapping[str, Any]) -> tuple[Cells, list[Cells]]:
    """The header and the rows: the time of the working tree beside that of a revision."""
    header = ["texts", "revision, ms", "time / its time", "control", "vectors"]
    rows: list[Cells] = [
        [
            kind,
            f"{row['revision_ms']:,.1f}",
            show(row["ratio"], 3),
            show(row["control"], 3),
            "the same bits" if row["same_bits"] else "other bits",
        ]
        for kind, row in found.items()
    ]
    return header, rows


def revisions() -> str:
    """Whether something became slower since a revision."""
    file = results("revisions")
    names = f"\n{file['tree']} beside {file['commit'][:7]}.\n"
    others = f"Other programs used {file['cores_used_by_others']} cores meanwhile.\n"
    return table(*revision_rows(file["results"])) + names + measured("revisions") + others


def corpus() -> str:
    """The time of minilm encode from file to file, by stage, beside encoding alone."""
    found = results("corpus")["results"]
    seconds = {
        **found["stage_seconds"],
        "**from file to file**": found["job_seconds"],
        "`MiniLM.encode` alone": found["bare_seconds"],
    }
    rows = [
        [
            stage,
            f"{spent['median']:,.1f}",
            f"{spent['median'] / found['job_seconds']['median']:.1%}",
            f"{found['rows'] / spent['median']:,.0f}",
        ]
        for stage, spent in seconds.items()
    ]
    header = [f"{found['rows']:,} rows, {found['tokens']:,} tokens", "seconds", "share", "rows per second"]
    return table(header, rows) + measured("corpus")


def corpus_memory() -> str:
    """The peak memory of minilm encode, by rows."""
    found = results("corpus_memory")["results"]
    rows = [[f"{int(rows):,}", f"{peak:,.0f}"] for rows, peak in found.items()]
    return table(["rows", "peak memory, MiB"], rows) + measured("corpus_memory")


def documents_memory() -> str:
    """The peak memory of reading and cutting documents of several sizes."""
    found = results("long_documents")["results"]
    names = {"txt": "plain text", "md": "Markdown", "rst": "reStructuredText", "html": "HTML"}
    sizes = ["one section" if size == "0" else f"{size} MB" for size in found["txt"]]
    rows = [[names[kind], *(f"{peak:,.0f}" for peak in peaks.values())] for kind, peaks in found.items()]
    return table(["peak memory, MiB", *sizes], rows) + measured("long_documents")


def documents_update() -> str:
    """The time of minilm index over files of Markdown."""
    file = results("documents")
    found = file["results"]["update"]
    names = {
        "first": "first run",
        "unchanged": "second run, nothing changed",
        "changed": "1% of the files changed",
    }
    rows = [[title, f"{found[name]:,.1f}"] for name, title in names.items()]
    return table([f"{file['options']['files']:,} files, {found['pieces']:,} pieces", "seconds"], rows)


def documents_search() -> str:
    """The time of a search of documents by the number of pieces, and its recall."""
    file = results("documents")
    rows = [
        [f"{int(size):,}", *(f"{row[name]:,.{digits}f}" for name, digits in _SEARCH_DIGITS.items())]
        for size, row in file["results"]["search"].items()
    ]
    header = [
        "pieces",
        "from the command line, s",
        "in process, p50, ms",
        "p95, ms",
        "recall at 10",
        "made in, s",
    ]
    others = f"Other programs used {file['cores_used_by_others']} cores meanwhile.\n"
    return table(header, rows) + measured("documents") + others


_SEARCH_DIGITS = {"cold": 2, "p50": 1, "p95": 1, "recall": 3, "made": 1}


def install_size() -> str:
    """The files of each package that an installation brings."""
    found = results("install_size")["results"]
    packages = found["packages_mb"]
    rows = [[name, f"{mb:.1f}"] for name, mb in packages.items() if mb >= 0.1]
    total, environment = sum(packages.values()), found["environment_mb"]
    rows.append(["**all packages**", f"**{total:.0f}**"])
    rows.append(["compiled bytecode, which pip or the first import writes", f"{found['bytecode_mb']:.0f}"])
    rows.append(
        ["an empty virtual environment: pip, before Python 3.12 setuptools too", f"{environment:.0f}"]
    )
    total += found["bytecode_mb"] + environment
    rows.append(["**a virtual environment with minilm**", f"**{total:.0f}**"])
    rows.append(["the weights, which are downloaded", f"{found['weights_mb']:.0f}"])
    return table(["package", "MB"], rows)


def page_in_browser() -> str:
    """The weight of the page, its first paint, and its interactions."""
    found = results("page")["results"]
    rows = [
        ["weight, kB", f"{found['bytes'] / 1000:.0f}"],
        ["first paint, CPU at a quarter, ms", show(found["first_paint"])],
    ]
    others = (name for name in found if name not in ("bytes", "first_paint"))
    rows += [[f"{name}, ms", show(found[name])] for name in others]
    return table(["", "measured"], rows)


def read_only_start() -> str:
    """The start of a folder on a read-only file system, with little memory."""
    found = results("install_size")["results"]
    start = [
        [f"folder with the weights and bytecode, without {found['removed']}, MB", f"{found['layer_mb']:.0f}"],
        ["start of the process to the first vector, s", show(found["cold_start_seconds"], 2)],
        ["the same without bytecode, s", show(found["compiling_start_seconds"], 2)],
        ["peak memory, MB", show(found["peak_mb"])],
        ["limit of memory, MB", f"{found['limit_mb']}, by {found['limit']}"],
    ]
    return table(["", "measured"], start)


def with_measured(name: str, made: Callable[[], str]) -> Callable[[], str]:
    """A table, with the line that says on what it was measured."""
    return lambda: made() + measured(name)


TABLES: dict[str, Callable[[], str]] = {
    "reasons": reasons,
    "speed-in-short": speed_in_short,
    "speed": readme_speed,
    "errors-measured": with_measured("exactness", exactness),
    "errors-sentences": with_measured("sentences", sentences),
    "integrations": with_measured("integrations", integrations),
    "unchanged": with_measured("unchanged", unchanged),
    "differences": differences,
    "differences-of": differences_of,
    "throughput": throughput("throughput"),
    "throughput-avx2": throughput("throughput-Haswell"),
    "throughput-intel": throughput("throughput-Xeon"),
    "throughput-zen4": throughput("throughput-Zen4"),
    "latency": latency("latency"),
    "latency-zen4": latency("latency-Zen4"),
    "latency-intel": latency("latency-Xeon"),
    "cold-start": cold_start("cold_start"),
    "cold-start-zen4": cold_start("cold_start-Zen4"),
    "scaling-texts": scaling("texts", "texts in one call"),
    "scaling-length": scaling("tokens_a_text", "tokens per text"),
    "scaling-threads": with_measured("scaling", scaling("threads", "threads")),
    "lock": with_measured("gil", lock),
    "corpus": corpus,
    "corpus-memory": corpus_memory,
    "page": with_measured("page", page_in_browser),
    "documents-memory": documents_memory,
    "documents-update": documents_update,
    "documents-search": documents_search,
    "load": with_measured("load", load),
    "endurance": with_measured("load_minutes", endurance),
    "workers": with_measured("workers", workers),
    "floor": floor("floor"),
    "floor-zen4": floor("floor-Zen4"),
    "stages": stages,
    "ablation": ablation,
    "revisions": revisions,
    "install-size": install_size,
    "read-only-start": with_measured("install_size", read_only_start),
}


if __name__ == "__main__":
    main()
