"""The options of ``minilm encode --engine ray``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minilm.cli.errors import Usage

_ONLY_HERE = ("address", "actors", "actor_cpus", "block_mib")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The engine, and what only Ray's takes."""
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: on the machines of a Ray cluster; OUTPUT is then a folder of Parquet files (%(default)s)",
    )
    group = parser.add_argument_group("with --engine ray")
    group.add_argument(
        "--address", help="of the cluster (RAY_ADDRESS; without that, one is started on this machine)"
    )
    group.add_argument("--actors", type=int, metavar="N", help="at most so many (as there are cores for)")
    group.add_argument("--actor-cpus", type=int, metavar="N", help="cores, and threads, of each (1)")
    group.add_argument(
        "--block-mib",
        type=float,
        metavar="N",
        help="text in a block: what is done again if an actor dies, and a file of OUTPUT (1)",
    )


def check_unused(options: argparse.Namespace) -> None:
    """Raise for what another engine would ignore."""
    for name in _ONLY_HERE:
        if getattr(options, name) is not None:
            raise Usage(f"{_flag(name)} is for --engine ray")


def check(options: argparse.Namespace, output: Path | None) -> None:
    """Raise for what a cluster cannot do."""
    if not output or output.suffix in (".npy", ".jsonl", ".ndjson"):
        raise Usage("--engine ray needs --output DIRECTORY, which it fills with Parquet files")
    if "-" in options.input:
        raise Usage("--engine ray reads files that every machine sees, not stdin: give INPUT")
    if options.dedupe:
        raise Usage("--dedupe is not for --engine ray, whose machines do not know each other's texts")
    for name in _ONLY_HERE[1:]:
        value = getattr(options, name)
        if value is not None and not 0 < value < float("inf"):
            raise Usage(f"{_flag(name)} must be positive, not {value}")


def arguments(options: argparse.Namespace) -> dict[str, Any]:
    """What was given, as :func:`minilm.corpus.ray.job.encode_on_ray` takes it."""
    given = {"address": options.address, "actors": options.actors, "actor_cpus": options.actor_cpus}
    if options.block_mib is not None:
        given["block_bytes"] = max(1, int(options.block_mib * (1 << 20)))
    loading: dict[str, Any] = {"local_files_only": options.local_files_only}
    if options.cache_folder:
        loading["cache_folder"] = str(Path(options.cache_folder).expanduser().resolve())
    return {**{name: value for name, value in given.items() if value is not None}, "loading": loading}


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
