"""Why a place does not have a checkpoint, and what to do when no place has it."""

from __future__ import annotations

from minilm.errors import CheckpointNotFoundError, described, one_line


class Unavailable(Exception):  # noqa: N818 - an expected answer, and the search goes on
    """A place does not have the checkpoint; the message says why."""


class Damaged(Unavailable):
    """A place has a file of the right name with other bytes."""


def not_found(repo_id: str, reasons: list[str], revision: str = "main") -> CheckpointNotFoundError:
    """The error for a checkpoint that no place has, with the reason of each place."""
    model = repo_id if revision == "main" else f"{repo_id} --revision {revision}"
    return CheckpointNotFoundError(
        f"{repo_id} is not on this machine and could not be fetched. Looked in: {'; '.join(reasons)}. "
        f"What to do: run `minilm download --model {model}` where there is a network. With `--local-dir DIR` "
        "it makes a copy; carry it to the other machine and give its directory as the model"
    )


def reason_text(error: Exception) -> str:
    """An error on one line: its text, with the type before it unless it is an OSError."""
    return one_line(error) or type(error).__name__ if isinstance(error, OSError) else described(error)
