"""What can go wrong with checkpoints and their sources, as one family of exceptions.

Wrong arguments raise the built-in TypeError and ValueError; everything that concerns a checkpoint
or a file of texts or vectors derives from :class:`MiniLMError`, so that one ``except`` catches it.
"""

from __future__ import annotations


class MiniLMError(Exception):
    """Root of every error that minilm raises about files and where they come from."""


class CheckpointNotFoundError(MiniLMError):
    """A checkpoint is nowhere to be had; the message lists every place that was looked at."""


class CheckpointError(MiniLMError):
    """A checkpoint was found but is damaged, contradicts itself, or is of a kind minilm does not run."""


class CorpusError(MiniLMError):
    """Files to encode, or an output of them, are not what the job needs; the message says which and why."""


class TruncationWarning(UserWarning):
    """Texts were longer than ``max_seq_length`` tokens and only their beginning was encoded."""
