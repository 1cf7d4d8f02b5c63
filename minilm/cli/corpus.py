"""The commands over whole files: ``minilm encode`` and ``minilm search``."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from minilm.cli import ray as cli_ray
from minilm.cli.errors import Failure, Interrupted, Usage
from minilm.cli.terminal import is_terminal, printable, put, put_json, text_argument
from minilm.corpus.formats import EMBEDDING, check_free
from minilm.corpus.index import Hit, Index
from minilm.corpus.job import check_name, encode_corpus, encode_texts, refusal, shards, sift
from minilm.corpus.manifest import ON_ERROR, Report, is_under_way
from minilm.corpus.rows import FORMATS, Corpus
from minilm.hub import DEFAULT_MODEL, default_manifest, different_files, is_repository_name, sha256_of_files
from minilm.model import MiniLM
from minilm.pooling import POOLING

Load = Callable[[argparse.Namespace], MiniLM]
Say = Callable[[str], None]


def add_encode(parser: argparse.ArgumentParser) -> None:
    """The options of ``minilm encode``."""
    parser.add_argument(
        "input",
        nargs="*",
        default=["-"],
        metavar="INPUT",
        help="files or patterns: plain text (a text a line), JSON Lines, CSV, TSV, Parquet; .gz and .zst "
        "too; - is stdin",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUTPUT",
        help="write .parquet, .npy or .jsonl; without it, JSON lines to stdout. The same command goes on "
        "where it was stopped",
    )
    parser.add_argument("--format", choices=FORMATS, help="of the input (as its name says)")
    parser.add_argument("--column", metavar="NAME", help='the column with the text ("text", or the only one)')
    parser.add_argument("--keep", action="store_true", help="write the input's other columns too")
    parser.add_argument("--dtype", choices=("float32", "float16"), default="float32", help="of the vectors")
    parser.add_argument("--dedupe", action="store_true", help="encode each distinct text once")
    parser.add_argument(
        "--on-error",
        choices=ON_ERROR,
        default="raise",
        help="of a row that is not text; skip and empty list it in OUTPUT.errors.jsonl, or on stderr "
        "(%(default)s)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="begin anew, and replace what is there in the end"
    )
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="(%(default)s)")
    parser.add_argument("--pooling", choices=sorted(POOLING), help="how tokens become one vector (mean)")
    parser.add_argument(
        "--prompt-name", metavar="NAME", help="the checkpoint's prompt to put before every text"
    )
    parser.add_argument(
        "--normalize",
        action=argparse.BooleanOptionalAction,
        help="scale vectors to length 1 (as the checkpoint says)",
    )
    parser.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, help="a progress bar (on a terminal)"
    )
    cli_ray.add_options(parser)


def encode(options: argparse.Namespace, load: Load, say: Say) -> None:
    """Run ``minilm encode``."""
    if options.output == "":
        raise Usage("--output is empty: give the file to write")
    output = Path(options.output) if options.output else None
    if options.engine == "ray":
        cli_ray.check(options, output)
    else:
        cli_ray.check_unused(options)
        _check_output(options, output)
    if options.batch_size < 1:
        raise Usage(f"--batch-size must be a positive whole number, not {options.batch_size}")
    corpus = Corpus(options.input, format=options.format, column=options.column, keep=options.keep)
    _check_columns(options, corpus)
    if output and not output.parent.is_dir():
        raise FileNotFoundError(2, "No such directory", str(output.parent))
    model = load(options)
    if options.normalize is not None:
        model.normalize = options.normalize
    if options.prompt_name is not None:
        try:
            model.resolve_prompt(prompt_name=options.prompt_name)
        except ValueError as error:
            raise Usage(f"--prompt-name: {error}") from None
    if output:
        _to_file(options, model, corpus, output, say)
    else:
        _to_stdout(options, model, corpus, say)


def _check_output(options: argparse.Namespace, output: Path | None) -> None:
    if output and output.suffix not in (".npy", ".jsonl", ".ndjson", ".parquet", ".pq"):
        raise Usage(f"--output must end in .parquet, .npy or .jsonl, not {output.name!r}")
    if output and output.suffix == ".npy" and options.keep:
        raise Usage("--keep has no meaning for .npy, which holds vectors only")
    if not output and (options.dedupe or options.overwrite):
        raise Usage("--dedupe and --overwrite are for --output")


def _check_columns(options: argparse.Namespace, corpus: Corpus) -> None:
    """Raise where plain text is asked for its columns: it may be CSV that nobody called by its name."""
    if (options.column is not None or options.keep) and set(corpus.formats) == {"text"}:
        asked = "--keep" if options.column is None else "--column"
        raise Usage(f"{asked} is for input that has columns, and this is read as plain text (see --format)")


def _to_file(options: argparse.Namespace, model: MiniLM, corpus: Corpus, output: Path, say: Say) -> None:
    given: dict[str, Any] = {
        "on_error": options.on_error,
        "dtype": options.dtype,
        "pooling": options.pooling,
        "prompt_name": options.prompt_name,
        "batch_size": options.batch_size,
        "overwrite": options.overwrite,
    }
    with _stopping(say) as stop, _bar(corpus, options.progress) as advance:
        given |= {"advance": advance, "stop": stop}
        if options.engine == "ray":
            from minilm.corpus.ray.job import encode_on_ray

            report = encode_on_ray(model, corpus, output, **given, **cli_ray.arguments(options))
        else:
            report = encode_corpus(model, corpus, output, dedupe=options.dedupe, **given)
    if stop.is_set() and is_under_way(output):
        same = "the same command without --overwrite" if options.overwrite else "the same command"
        raise Interrupted(f"interrupted after {report.inputs:,} rows; {same} goes on from there")
    if report.errors:
        what = "encoded as empty texts" if options.on_error == "empty" else "left out"
        say(f"{report.errors:,} rows had no text and were {what}: {output}.errors.jsonl lists them")
    if options.dedupe:
        say(f"{report.encoded:,} distinct of {report.rows:,} texts were encoded")
    _say_truncated(report.truncated, report.encoded, model, say)


def _to_stdout(options: argparse.Namespace, model: MiniLM, corpus: Corpus, say: Say) -> None:
    prompt = model.resolve_prompt(prompt_name=options.prompt_name)
    report = Report()
    # rows on a terminal are bar enough
    show = False if options.progress is None and is_terminal(sys.stdout) else options.progress
    column = ""
    with _bar(corpus, show) as advance:
        advance(report)
        for window in shards(corpus):
            good, bad = sift(window, options.on_error)
            for row in bad:
                if options.on_error == "raise":
                    raise Failure(refusal(row.source, row.line, row.problem))
                say(f"{row.source}, line {row.line}: {row.problem}")
            column = column or corpus.column or "text"
            check_name(column)
            texts = [row.text or "" for row in good]
            vectors = encode_texts(
                model, texts, report, prompt=prompt, pooling=options.pooling, batch_size=options.batch_size
            )
            for row, text, vector in zip(good, texts, vectors.astype(options.dtype).tolist(), strict=True):
                check_free(column, row.kept)
                put_json({column: text, **row.kept, EMBEDDING: vector})
            report.rows += len(good)
            advance(report)
    _say_truncated(report.truncated, report.encoded, model, say)


def _say_truncated(truncated: int, of: int, model: MiniLM, say: Say) -> None:
    if truncated:
        say(
            f"{truncated} of {of} texts were cut at {model.max_seq_length} tokens (max_seq_length); "
            "the rest of them was not encoded"
        )


@contextmanager
def _stopping(say: Say) -> Iterator[threading.Event]:
    """Ctrl-C lets the shard in hand land; a second one does not wait."""
    stop = threading.Event()

    def asked(number: int, frame: object) -> None:  # noqa: ARG001 - the signature of a handler
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        say("finishing the rows in hand; Ctrl-C again stops at once")

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGINT, asked)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _bar(corpus: Corpus, show: bool | None) -> Iterator[Callable[[Report], object]]:
    """A bar over the input's bytes, which tells the time left, with texts and tokens a second."""
    if show is False or (show is None and not is_terminal(sys.stderr)):
        yield lambda _: None
        return
    from tqdm import tqdm

    begun: list[tuple[float, int, int]] = []
    options: dict[str, Any] = {"unit": "B", "unit_scale": True, "desc": "Encoding", "file": sys.stderr}
    with tqdm(total=corpus.total_bytes, **options) as bar:

        def advance(report: Report) -> None:
            if not begun:  # what an earlier run did counts for the bar and not for the speed
                begun.append((time.perf_counter(), report.rows, report.tokens))
                bar.initial = corpus.position
            started, rows, tokens = begun[0]
            seconds = max(time.perf_counter() - started, 1e-9)
            per_second = [n / seconds for n in (report.rows - rows, report.tokens - tokens)]
            bar.set_postfix_str("{:,.0f} texts/s, {:,.0f} tokens/s".format(*per_second), refresh=False)
            bar.update(corpus.position - bar.n)

        yield advance


def add_search(parser: argparse.ArgumentParser) -> None:
    """The options of ``minilm search``."""
    parser.add_argument("index", metavar="INDEX", help="what minilm encode -o wrote")
    parser.add_argument("query", nargs="*", type=text_argument, metavar="QUERY", help="one or more")
    parser.add_argument("--queries", metavar="FILE", help="a query a line; - is stdin")
    parser.add_argument("-k", type=int, default=10, metavar="N", help="hits a query (%(default)s)")
    parser.add_argument("--json", action="store_true", help="a line of JSON a query, with all digits")


def search(options: argparse.Namespace, load: Load) -> None:
    """Run ``minilm search``."""
    if options.k < 1:
        raise Usage(f"-k must be a positive whole number, not {options.k}")
    queries = list(options.query)
    if options.queries:
        for row in Corpus([options.queries], format="text"):
            if row.text is None:
                raise Failure(f"{row.source}, line {row.line}: {row.problem}")
            queries.append(row.text)
    if not queries:
        raise Usage("no query: give one, or --queries FILE")
    index = Index(Path(options.index))
    if not index.path.exists():
        raise FileNotFoundError(2, "No such file or directory", str(index.path))
    made_with = index.made_with
    model = _model_of(index, options, load)
    model.normalize = made_with.get("normalize", model.normalize)
    pooling = made_with.get("pooling")
    is_own = pooling is None or pooling == _as_list(model.config.pooling)
    vectors = model.encode_query(queries, pooling=None if is_own else pooling)
    for query, hits in zip(queries, index.search(np.ascontiguousarray(vectors), options.k), strict=True):
        _print_hits(query, hits, as_json=options.json, is_one=len(queries) == 1)


def _model_of(index: Index, options: argparse.Namespace, load: Load) -> MiniLM:
    """The model that was asked for, or else the one that made the index.

    An index may come from anywhere, so that what it names is neither downloaded nor opened as a directory.
    """
    named = index.made_with.get("model", DEFAULT_MODEL)
    revision = options.revision or index.made_with.get("revision")
    if options.model == DEFAULT_MODEL:
        if named != DEFAULT_MODEL and (not is_repository_name(named) or Path(named).exists()):
            raise Usage(f"{index.path} was made with the checkpoint {named!r}: give --model, if it is yours")
        options.model, options.revision = named, revision
        if named != DEFAULT_MODEL or revision not in (None, default_manifest().revision):
            options.local_files_only = True
    model = load(options)
    files = sha256_of_files(model.checkpoint)
    if index.made_with.get("sha256") not in (None, files.pop("model.safetensors")):
        raise Failure(f"{index.path} was made with other weights than those of {options.model}")
    if "files" in index.made_with and different_files(files, index.made_with["files"]):
        raise Failure(
            f"{index.path} was made with another tokenizer or configuration than {options.model} has"
        )
    return model


def _as_list(pooling: Any) -> list[str]:  # noqa: ANN401 - a name or several
    return [pooling] if isinstance(pooling, str) else list(pooling)


def _print_hits(query: str, hits: list[Hit], *, as_json: bool, is_one: bool) -> None:
    if as_json:
        rows = [{name: value for name, value in hit._asdict().items() if value is not None} for hit in hits]
        put_json({"query": query, "hits": rows})
        return
    if not is_one:
        put(f"# {printable(query)}")
    for hit in hits:
        text = "" if hit.text is None else "  " + " ".join(hit.text.split())
        put(f"{hit.score:.4f}  {hit.row}{printable(text)}")
