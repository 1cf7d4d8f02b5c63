"""A command as a target: it reads JSON lines of texts and writes JSON lines of vectors, in any language."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence

from minilm._arrays import AnyArray
from minilm.check.targets.lines import parse_vectors, text_lines
from minilm.check.targets.target import RefusedError, TargetError, checked_vectors
from minilm.errors import one_line


def words_of(command: str) -> list[str]:
    """Return the words of a command: a ValueError for an open quote. On Windows a backslash is a path's."""
    words = shlex.split(command, posix=os.name != "nt")
    return [word.strip('"') for word in words] if os.name == "nt" else words


class CommandTarget:
    """A program that is started for each batch of texts."""

    takes_batches = True

    def __init__(self, command: str, timeout: float) -> None:
        self.name, self.timeout = command, timeout

    def embed(self, texts: Sequence[str]) -> AnyArray:
        """Start the command, write the texts to it, and read a vector for each of them."""
        try:
            done = subprocess.run(  # noqa: S603 - the user asks for this command, and no shell reads it
                words_of(self.name),
                input=text_lines(texts),
                capture_output=True,
                timeout=self.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TargetError(
                f"{self.name} did not end within {self.timeout:g} s after {len(texts)} texts; "
                "--timeout gives it longer"
            ) from error
        except OSError as error:
            raise TargetError(f"{self.name} cannot be started: {error.strerror}") from error
        if done.returncode:
            said = one_line(done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2])
            raise RefusedError(
                f"{self.name} ended with exit code {done.returncode}: {said or 'it said nothing'}"
            )
        return checked_vectors(parse_vectors(done.stdout, self.name), len(texts), self.name)
