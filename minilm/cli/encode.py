"""``minilm encode``: one vector per text of a corpus, on this machine or on a Ray cluster."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from minilm.cli.errors import Interrupted, UsageError, argument_errors, flag, option_errors, stop_at_signal
from minilm.cli.options import (
    add_model_options,
    kept_columns,
    load_model,
    real_number,
    say_truncated,
    select,
    whole_number,
)
from minilm.cli.progress import counted, job_progress
from minilm.cli.terminal import is_terminal, put_json, say, say_nothing, silence_warnings
from minilm.corpus.formats.columns import check_columns
from minilm.corpus.formats.input_file import Dialect
from minilm.corpus.formats.json_values import json_rows
from minilm.corpus.formats.registry import FORMATS, OUTPUTS
from minilm.corpus.formats.shard import EMBEDDING
from minilm.corpus.job import cast, encode_corpus, encode_texts, shards, split_valid, texts_and_others
from minilm.corpus.manifest import DTYPES, ON_ERROR, JobOptions, Report
from minilm.corpus.paths import is_url
from minilm.corpus.rows import Corpus
from minilm.corpus.workspace import JobWorkspace, resuming_command
from minilm.model import MiniLM
from minilm.pooling import POOLING

_DIALECT = tuple(field.name for field in fields(Dialect))


def add_encode(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``minilm encode``."""
    add = parser.add_argument
    toggle = argparse.BooleanOptionalAction
    files = "files, patterns, folders of Parquet, or URLs; may be compressed (default: stdin)"
    add("input", nargs="*", default=["-"], metavar="INPUT", help=files)
    output = "write a .parquet, .npy or .jsonl file (default: print JSON lines)"
    add("-o", "--output", metavar="OUTPUT", help=output)
    add("--format", choices=FORMATS, help="format of the input (default: by the name of each file)")
    add("--column", metavar="NAME", help='column that holds the text (default: "text", or the only column)')
    add("--encoding", metavar="NAME", help="encoding of text, such as utf-16 or cp1252 (default: utf-8)")
    add("--delimiter", type=_delimiter, metavar="D", help="character between the cells of CSV and TSV")
    header = "whether CSV and TSV begin with the names of the columns"
    add("--header", action=toggle, default=True, help=header)
    add("--quoting", action=toggle, help="whether double quotes enclose cells of CSV and TSV, or are text")
    keep = "write the other columns of the input too: all, or those named"
    add("--keep", nargs="?", const=True, default=False, metavar="NAME,NAME", help=keep)
    add(
        "--embedding-column",
        default=EMBEDDING,
        metavar="NAME",
        help="column of the vectors (default: %(default)s)",
    )
    add("--limit", type=whole_number, metavar="N", help="encode the first N rows only")
    add("--dedupe", action="store_true", help="encode equal texts only once (deduplication)")
    on_error = "for a row without text: stop, leave it out, or encode an empty text (default: %(default)s)"
    add("--on-error", choices=ON_ERROR, default="raise", help=on_error)
    add("--overwrite", action="store_true", help="start again, and replace the output at the end")
    progress = "show a progress bar (default: if stderr is a terminal; else a line every 30 seconds)"
    add("--progress", action=toggle, help=progress)
    add("--quiet", action="store_true", help="print errors only")
    add("--dtype", choices=DTYPES, default=DTYPES[0], help="type of the vectors (default: %(default)s)")
    size = "encode about N short texts at once (default: %(default)s)"
    add("--batch-size", type=whole_number, default=32, metavar="N", help=size)
    add("--pooling", choices=sorted(POOLING), help="how token vectors become one (default: the checkpoint's)")
    add("--prompt-name", metavar="NAME", help="put this prompt of the checkpoint before every text")
    add("--normalize", action=toggle, help="scale vectors to length 1 (default: as the checkpoint says)")
    engine = "ray encodes on a Ray cluster (default: %(default)s)"
    add("--engine", choices=("local", "ray"), default="local", help=engine)
    add = parser.add_argument_group("with --engine ray").add_argument
    add("--address", help="address of the cluster (default: RAY_ADDRESS, or start Ray on this machine)")
    add("--actors", type=whole_number, metavar="N", help="number of actors at most (default: all cores)")
    add("--actor-cpus", type=whole_number, metavar="N", help="cores per actor (default: 1)")
    block = "text per block in MiB; a block is one file of OUTPUT (default: 1)"
    add("--block-mib", type=real_number, metavar="N", help=block)
    add_model_options(parser)
    parser.epilog = "If the command is interrupted, run it again to continue."


def run_encode(options: argparse.Namespace) -> None:
    """Run ``minilm encode``."""
    _settle_keep(options)
    if options.quiet:
        if options.progress:
            raise UsageError("--progress and --quiet exclude each other")
        options.progress = False
        silence_warnings()
    name = options.embedding_column
    if not name or not name.isprintable():  # a lone surrogate is not, and no output can hold it
        raise UsageError(f"--embedding-column must be printable, not {name!r}")
    output = None if options.output is None else _output_path(options.output)
    check = _check_ray_options if options.engine == "ray" else _check_local_options
    check(options, output)
    workspace = JobWorkspace(output) if output else None
    corpus = _corpus(options, workspace.own_files if workspace else ())
    if (options.column is not None or options.keep) and set(corpus.formats) == {"text"}:
        option = "--keep" if options.column is None else "--column"  # a file's name may hide that it is CSV
        raise UsageError(
            f"{option} is for input that has columns, and this is read as plain text (see --format)"
        )
    if workspace:  # what cannot be written is refused before the model is loaded
        workspace.check_output(corpus.paths, overwrite=options.overwrite)
    model = load_model(options)
    if options.normalize is not None:
        model.normalize = options.normalize
    with option_errors("prompt_name", "pooling", "address"):
        model.resolve_prompt(prompt_name=options.prompt_name)
        if workspace:
            _encode_to_file(options, model, corpus, workspace)
        else:
            _encode_to_stdout(options, model, corpus)


def _settle_keep(options: argparse.Namespace) -> None:
    """Turn the value of --keep into names, or into an input: `--keep corpus.jsonl` names a file."""
    if isinstance(options.keep, str):
        if options.input == ["-"] and Path(options.keep).expanduser().exists():
            options.input, options.keep = [options.keep], True
        else:
            options.keep = kept_columns(options.keep)


def _delimiter(value: str) -> str:
    return "\t" if value in ("\\t", "tab") else value


def _corpus(options: argparse.Namespace, exclude: Sequence[Path]) -> Corpus:
    names = {**{name: flag(name) for name in _DIALECT}, "header": "--no-header"}
    if options.quoting is False:
        names["quoting"] = "--no-quoting"
    with argument_errors(UsageError, names):
        dialect = Dialect(**{name: getattr(options, name) for name in _DIALECT})
        settings = {name: getattr(options, name) for name in ("format", "column", "keep", "limit")}
        return Corpus(options.input, dialect=dialect, exclude=exclude, **settings)


def _output_path(name: str) -> Path:
    if not name:
        raise UsageError("--output is empty: give the file to write")
    if is_url(name):
        raise UsageError(f"--output must be on this machine, not {name!r}: copy it there afterwards")
    path = Path(name).expanduser()  # of a ~ in quotes, which the shell has left
    if not path.name:
        raise UsageError(f"--output must name a file or folder, not {name!r}")
    return path


def _check_local_options(options: argparse.Namespace, output: Path | None) -> None:
    for name in select(options, "address", "actors", "actor_cpus", "block_mib"):
        raise UsageError(f"{flag(name)} is for --engine ray")
    if output and output.suffix not in OUTPUTS:
        raise UsageError(f"--output must end in .parquet, .npy or .jsonl, not {output.name!r}")
    if output and output.suffix == ".npy" and options.keep:
        raise UsageError("--keep has no meaning for .npy, which holds vectors only")
    if output and output.suffix == ".npy" and options.embedding_column != EMBEDDING:
        raise UsageError("--embedding-column has no meaning for .npy, which has no columns")
    if not output and (options.dedupe or options.overwrite):
        raise UsageError("--dedupe and --overwrite are for --output")


def _check_ray_options(options: argparse.Namespace, output: Path | None) -> None:
    if not output or output.suffix in (".npy", ".jsonl", ".ndjson"):
        raise UsageError("--engine ray needs --output DIRECTORY, which it fills with Parquet files")
    if options.limit:
        raise UsageError("--limit is not for --engine ray: its machines read at the same time")
    if "-" in options.input:
        raise UsageError("--engine ray reads files that every machine sees, not stdin: give INPUT")
    if options.dedupe:
        raise UsageError("--dedupe is not for --engine ray: its machines do not know each other's texts")


def _encode_to_file(
    options: argparse.Namespace, model: MiniLM, corpus: Corpus, workspace: JobWorkspace
) -> None:
    output, note = workspace.output, say_nothing if options.quiet else say
    job = JobOptions(**{field.name: getattr(options, field.name) for field in fields(JobOptions)})
    resumes = workspace.is_in_progress and not options.overwrite
    total = None if options.limit else corpus.total_bytes
    progress = job_progress(total, options.progress, note, resumes=resumes)
    with stop_at_signal(note) as stop, progress as advance:
        if options.engine == "ray":
            from minilm.corpus.ray.cluster import ClusterOptions
            from minilm.corpus.ray.job import encode_on_ray

            cluster = ClusterOptions(**ray_arguments(options))
            report = encode_on_ray(model, corpus, output, job, cluster, advance=advance, stop=stop)
        else:
            report = encode_corpus(model, corpus, output, job, advance=advance, stop=stop)
    if stop.is_set() and workspace.is_in_progress:
        goes_on = f"{resuming_command(options.overwrite)} goes on from there"
        raise Interrupted(f"interrupted after {counted(report.inputs)}; {goes_on}", stop.signal)
    if report.errors:
        what = "encoded as empty texts" if options.on_error == "empty" else "left out"
        were = "was" if report.errors == 1 else "were"
        note(f"{counted(report.errors)} had no text and {were} {what}: see {output}.errors.jsonl")
    if options.dedupe:
        note(f"{report.encoded:,} distinct of {report.rows:,} texts were encoded")
    say_truncated(model, report.truncated, report.encoded, note)
    note(advance.summary(output))


def ray_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options for Ray as arguments of :class:`minilm.corpus.ray.cluster.ClusterOptions`."""
    loading: dict[str, Any] = {"local_files_only": options.local_files_only}
    if options.cache_folder is not None:
        loading["cache_folder"] = str(Path(options.cache_folder).expanduser().resolve())
    arguments = {"loading": loading, **select(options, "address", "actors", "actor_cpus")}
    if options.block_mib is not None:
        arguments["block_bytes"] = max(1, int(min(options.block_mib, 2.0**40) * 2**20))
    return arguments


def _encode_to_stdout(options: argparse.Namespace, model: MiniLM, corpus: Corpus) -> None:
    prompt_text = model.resolve_prompt(prompt_name=options.prompt_name)
    job = JobOptions(dtype=options.dtype, pooling=options.pooling, batch_size=options.batch_size)
    job.ranges(model)  # refuses what cannot be quantized
    report, column, note = Report(), "", say_nothing if options.quiet else say
    # On a terminal the rows themselves show the progress.
    show = False if options.progress is None and is_terminal(sys.stdout) else options.progress
    with job_progress(corpus.total_bytes, show, note) as advance:
        reader = corpus.read()
        advance(report, 0)
        for window in shards(reader):
            rows, errors = split_valid(window, options.on_error)
            if not report.inputs:
                corpus.check_kept(reader.unseen)
            report.inputs += len(window)
            texts, kept = texts_and_others(rows)
            others = json_rows(kept)
            for row in errors:
                say(f"{row.source}, line {row.line}: {row.problem}")
            vectors = encode_texts(model, texts, report, job, prompt_text)
            column = column or reader.column or "text"  # as in a file, the first shard decides
            for text, other, vector in zip(texts, others, cast(vectors, options.dtype).tolist(), strict=True):
                check_columns(column, options.embedding_column, other)
                put_json({column: text, **other, options.embedding_column: vector})
            report.rows += len(rows)
            advance(report, reader.position)
    say_truncated(model, report.truncated, report.encoded, note)
