"""The exceptions that minilm raises, as one family.

Wrong arguments raise the built-in TypeError and ValueError. Everything that concerns a checkpoint or a file
of texts or vectors derives from :class:`MiniLMError`, so that one ``except`` catches it.
"""

from __future__ import annotations

import gc
import inspect
import warnings
from importlib import import_module
from typing import Any


class MiniLMError(Exception):
    """Root of every error that minilm raises about files and where they come from."""


class CheckpointNotFoundError(MiniLMError):
    """No place has the checkpoint; the message lists every place that was searched."""


class CheckpointError(MiniLMError):
    """A checkpoint was found but is damaged, contradicts itself, or is of a kind minilm does not run."""


class CorpusError(MiniLMError):
    """Files to encode, or an output of them, are not what the job needs; the message says which and why."""


class MissingExtraError(MiniLMError, ImportError):
    """A feature needs packages that are not installed; the message has the pip command that brings them."""


class TruncationWarning(UserWarning):
    """Texts were longer than ``max_seq_length`` tokens and only their beginning was encoded."""


class CheckpointWarning(UserWarning):
    """A checkpoint has something that minilm does not know, and leaves aside; the message names it."""


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the line of the caller's that called minilm, through its functions and numpy's decorators."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("minilm", "numpy"):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def is_panic(error: BaseException) -> bool:
    """Whether a library's code in Rust panicked, which is not an Exception in Python."""
    return type(error).__name__ == "PanicException"


def import_extra(module: str, *, feature: str, extra: str = "", package: str = "") -> Any:  # noqa: ANN401 - a module
    """Import what only an extra or another package brings, or raise a MissingExtraError that says so."""
    collects = gc.isenabled()
    try:
        gc.disable()  # collecting takes a tenth of an import's time, and an import makes hardly any garbage
        return import_module(module)
    except ModuleNotFoundError as error:
        remedy = package or f'"minilm[{extra}]", or ".[{extra}]" in a checkout'
        raise MissingExtraError(
            f"{feature} needs {error.name}, which is not installed: pip install {remedy}"
        ) from None
    finally:
        if collects:
            gc.enable()


def one_line(text: object) -> str:
    """Return a text, or what an error says, as at most 300 characters without a line break."""
    return " ".join(str(text).split())[:300]


def described(error: BaseException) -> str:
    """Return an error's type and what it says, in one line."""
    return one_line(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
