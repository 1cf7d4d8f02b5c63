"""The names of the served model: those that are listed, and those under which it is found."""

from __future__ import annotations

import re
from collections.abc import Sequence

from minilm.hub import Checkpoint
from minilm.server.responses import RequestError


class ModelNames:
    """The names that ``/v1/models`` lists; the first is the model's id in answers.

    ``served`` are the operator's own. Without them it is the repository's name, or the directory's, and the
    model is also found by that name without its owner.
    """

    def __init__(self, checkpoint: Checkpoint, served: Sequence[str] = ()) -> None:
        self.listed = tuple(served) or (_own_name(checkpoint),)
        self._short = None if served else self.listed[0].rpartition("/")[2]

    def resolve(self, name: str) -> str:
        """Return the listed name that ``name`` stands for; refuse one that stands for none."""
        if name in self.listed:
            return name
        if name == self._short:
            return self.listed[0]
        message = f"the model {name!r} is not served here; it is {' or '.join(map(repr, self.listed))}"
        raise RequestError(404, message, param="model", code="model_not_found")


def _own_name(checkpoint: Checkpoint) -> str:
    if checkpoint.repo_id:
        return checkpoint.repo_id
    given, path = checkpoint.directory, checkpoint.directory.resolve()
    # a snapshot in a Hub cache: models--OWNER--NAME/snapshots/COMMIT
    if path.parent.name == "snapshots" and (found := re.fullmatch("models--(.+)", path.parts[-3])):
        return found[1].replace("--", "/")
    return path.name or str(path) if given.name in ("", "..") else given.name  # "." has no name
