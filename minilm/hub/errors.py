"""Why a place does not have a checkpoint, in words, and what to do when none has it."""

from __future__ import annotations

from minilm.errors import CheckpointNotFoundError


class Unavailable(Exception):  # noqa: N818 - not an error but an answer: this place does not have it
    """A place does not have the checkpoint; the message says why."""


class Damaged(Unavailable):
    """It has a file of that name, with other bytes."""


def not_found(repo_id: str, reasons: list[str], revision: str = "main") -> CheckpointNotFoundError:
    """The error for a checkpoint that no place has, with each place's reason."""
    asked = repo_id if revision == "main" else f"{repo_id} --revision {revision}"
    return CheckpointNotFoundError(
        f"{repo_id} is not on this machine and could not be fetched. Looked in: {'; '.join(reasons)}. "
        f"What to do: run `minilm download --model {asked}` where there is a network; with `--local-dir "
        "DIR` it makes a copy to carry to another machine, where DIR is the model's name"
    )


def one_line(error: object) -> str:
    """An error as at most 300 characters without a line break, by its type unless it is an OSError."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, Exception) and not isinstance(error, OSError):
        text = f"{type(error).__name__}: {text}"
    return text[:300]
