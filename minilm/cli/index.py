"""``minilm index``: documents in pieces, in a table that follows them."""

from __future__ import annotations

import argparse
import logging

from minilm._progress import progress_bar
from minilm.cli.errors import (
    Failure,
    Interrupted,
    UsageError,
    argument_errors,
    exit_code,
    flag,
    stop_at_signal,
)
from minilm.cli.options import add_model_options, kept_columns, load_model, option_type, whole_number
from minilm.cli.terminal import flush_stdout, put, put_json, say, say_nothing
from minilm.documents.documents import Documents
from minilm.documents.watch import changes
from minilm.errors import CorpusError

_MOST_NAMED = 20  # files that were left out, before the rest are only counted


def add_index(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``minilm index``."""
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="folders, patterns, files and URLs of documents, or tables")
    add("--db", required=True, metavar="DB", help="the folder or URL of the table, such as notes.lance")
    add("--tokens", type=whole_number, default=128, metavar="N", help="tokens of a piece (default: 128)")
    repeat = "tokens that a piece repeats from the previous one (default: 0)"
    add("--overlap", type=_number, default=0, metavar="N", help=repeat)
    add(
        "--column",
        metavar="NAME",
        help='the column of a table with the text (default: "text", or the only one)',
    )
    add("--id", metavar="NAME", help="the column of a table with the id of a row (default: its number)")
    kept = parser.add_mutually_exclusive_group()
    names = "columns of a table to keep as metadata (default: all)"
    kept.add_argument("--keep", type=kept_columns, metavar="NAME,NAME", help=names)
    kept.add_argument("--no-keep", dest="keep", action="store_const", const=(), help="keep no metadata")
    on_error = "for a file that is not text: list it and go on, or stop (default: %(default)s)"
    add("--on-error", choices=("skip", "raise"), default="skip", help=on_error)
    add("--watch", action="store_true", help="go on, and follow changes until Ctrl-C")
    add("--json", action="store_true", help="print what was done as one line of JSON")
    add_model_options(parser)


_number = option_type(int, lambda value: value >= 0, "be 0 or a positive whole number")


def run_index(options: argparse.Namespace) -> None:
    """Run ``minilm index``."""
    if not options.db:
        raise UsageError("--db must name a folder or a URL, not ''")
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what is wrong with a PDF is said by its line here
    model = load_model(options)
    documents = Documents(options.db, model, tokens=options.tokens, overlap=options.overlap)
    if not options.watch:
        _update(documents, options)
        return
    with stop_at_signal(say_nothing) as stop:
        for number, _ in enumerate(changes(options.paths, documents.db, stop)):
            try:
                _update(documents, options)
            except (OSError, CorpusError) as error:
                if not number:
                    raise
                say(f"{exit_code(error)[1]}; the next change is waited for")  # a file may come back
        raise Interrupted(number=stop.signal)


def _update(documents: Documents, options: argparse.Namespace) -> None:
    """Bring the table up to date, and say what was done. Without --watch, no document is a failure."""
    names = {"paths": "PATH", **{name: flag(name) for name in ("tokens", "overlap")}}
    with argument_errors(UsageError, names), progress_bar(None, None, unit="piece") as bar:
        report = documents.update(
            options.paths,
            column=options.column,
            id_column=options.id,
            keep=options.keep,
            on_error=options.on_error,
            advance=bar.update,
        )
    for path, reason in report.skipped[:_MOST_NAMED]:
        say(f"left out: {path}: {reason}")
    if (more := len(report.skipped) - _MOST_NAMED) > 0:
        say(f"left out: {more:,} more (--json names all)")
    is_empty = not (report.added or report.changed or report.unchanged or report.removed)
    if options.json:
        put_json(vars(report))
    elif options.watch or not is_empty:
        counts = ((getattr(report, name), name) for name in ("added", "changed", "removed", "unchanged"))
        pieces = "1 piece" if report.pieces == 1 else f"{report.pieces:,} pieces"
        put(", ".join(f"{count:,} {name}" for count, name in counts) + f"; {pieces} encoded")
    flush_stdout()  # a reader of --watch waits for it
    if is_empty and not options.watch:
        raise Failure(f"no document was found in {', '.join(options.paths)}")
