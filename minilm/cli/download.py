"""``minilm download``: fetch a checkpoint, check its files, and copy it."""

from __future__ import annotations

import argparse
from pathlib import Path

from minilm.cli.errors import UsageError
from minilm.cli.options import add_source_options, locate_model, published_checksums
from minilm.cli.terminal import put
from minilm.hub import copy_checkpoint


def add_download(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``minilm download``."""
    parser.add_argument("--local-dir", metavar="DIR", help="copy it here, for a machine without a network")
    add_source_options(parser)


def run_download(options: argparse.Namespace) -> None:
    """Run ``minilm download``."""
    if options.local_dir == "":
        raise UsageError("--local-dir is empty: give the directory for the copy")
    try:
        target = Path(options.local_dir or "").expanduser()
    except RuntimeError as error:
        raise UsageError(f"--local-dir {options.local_dir!r}: {error}") from error
    checkpoint = locate_model(options)
    directory = copy_checkpoint(checkpoint, target) if options.local_dir else checkpoint.directory
    put(f"{options.model}: {published_checksums(checkpoint)}, in {directory}")
