"""The ``minilm`` command: parse the options, run the command, and end with an exit code.

Exit codes: 0 for success, 1 if the job failed, 2 for wrong usage, 70 for a bug in minilm, 130 after Ctrl-C,
143 after SIGTERM, 129 after SIGHUP.
Every failure is one line on stderr. ``MINILM_DEBUG=1`` prints the traceback before it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from importlib import import_module

from minilm import __version__
from minilm.cli.errors import exit_code, interrupted_at_signal
from minilm.cli.options import Parser
from minilm.cli.terminal import (
    finish_stdout,
    forget_frames,
    hold_standard_streams,
    output_streams,
    say,
    say_traceback,
)

# The module minilm.cli.NAME has the functions add_NAME, for the options, and run_NAME. It is imported only if
# the command is used, because encode and search bring more than compare needs.
COMMANDS = {
    "compare": "the similarity of two texts",
    "encode": "one vector per text of a corpus",
    "index": "documents in pieces, in a table that follows them",
    "search": "the nearest rows of what encode wrote, or pieces of what index wrote",
    "download": "fetch a model and check its files",
    "serve": "the page and the HTTP service",
    "check": "whether another deployment is this model, and what differs",
    "trace": "every intermediate of texts, and where another implementation first differs",
    "info": "versions, weights, and what numpy runs on",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    hold_standard_streams()
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        with output_streams(), interrupted_at_signal():
            command = next((argument for argument in arguments if not argument.startswith("-")), "")
            options = make_parser([command]).parse_args(arguments)
            options.run(options)
    except (Exception, KeyboardInterrupt) as error:
        finish_stdout()
        if isinstance(error, BrokenPipeError):  # the reader of the output has seen enough
            return 1
        if os.environ.get("MINILM_DEBUG", "0") not in ("", "0"):
            say_traceback(error)
        code, message = exit_code(error)
        say(message)
        if isinstance(error, KeyboardInterrupt):
            forget_frames(error)
        return code
    return 0


def make_parser(commands: Collection[str] = tuple(COMMANDS)) -> Parser:
    """Return the parser, with the options of these commands and the names of all."""
    parser = Parser(prog="minilm", description="Sentence embeddings by all-MiniLM-L6-v2, in numpy.")
    parser.add_argument("--version", action="version", version=f"minilm {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for name, purpose in COMMANDS.items():
        sentence = f"{purpose[0].upper()}{purpose[1:]}."
        subparser = subparsers.add_parser(name, help=purpose, description=sentence)
        if name in commands:
            module = import_module(f"minilm.cli.{name}")
            getattr(module, f"add_{name}")(subparser)
            subparser.set_defaults(run=getattr(module, f"run_{name}"))
    return parser
