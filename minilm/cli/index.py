"""``minilm index``: documents in pieces, in a table that follows them."""

from __future__ import annotations

import argparse

from minilm._progress import progress_bar
from minilm.cli.errors import Failure, UsageError, argument_errors, flag
from minilm.cli.options import SOURCE, add_model_options, load_model, option_type, whole_number
from minilm.cli.terminal import put, put_json, say
from minilm.documents.documents import Documents

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
    on_error = "for a file that is not text: list it and go on, or stop (default: %(default)s)"
    add("--on-error", choices=("skip", "raise"), default="skip", help=on_error)
    add("--json", action="store_true", help="print what was done as one line of JSON")
    add_model_options(parser)


_number = option_type(int, lambda value: value >= 0, "be 0 or a positive whole number")


def run_index(options: argparse.Namespace) -> None:
    """Run ``minilm index``."""
    if not options.db:
        raise UsageError("--db must name a folder or a URL, not ''")
    model = load_model(options)
    documents = Documents(options.db, model, tokens=options.tokens, overlap=options.overlap)
    names = {name: flag(name) for name in ("tokens", "overlap", *SOURCE)}
    with argument_errors(UsageError, names), progress_bar(None, None) as bar:
        report = documents.update(
            options.paths,
            column=options.column,
            id_column=options.id,
            on_error=options.on_error,
            advance=bar and bar.update,
        )
    for path, reason in report.skipped[:_MOST_NAMED]:
        say(f"left out: {path}: {reason}")
    if (more := len(report.skipped) - _MOST_NAMED) > 0:
        say(f"left out: {more:,} more (--json names all)")
    if options.json:
        put_json(vars(report))
    else:
        counts = ((getattr(report, name), name) for name in ("added", "changed", "removed", "unchanged"))
        put(", ".join(f"{count:,} {name}" for count, name in counts) + f"; {report.pieces:,} pieces encoded")
    if not (report.added or report.changed or report.unchanged or report.removed):
        raise Failure(f"no document was found in {', '.join(options.paths)}")
