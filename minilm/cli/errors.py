"""How a command ends early: each is one line on stderr and an exit code."""

from __future__ import annotations


class Failure(Exception):  # noqa: N818 - not an error of the program but its answer
    """The job cannot be done: exit code 1."""


class Usage(Exception):  # noqa: N818
    """The command was given wrongly: exit code 2."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after which something is to be said: exit code 130."""
