"""What ends a command, errors and signals, and what it becomes: an exit code and one line on stderr."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

from minilm.errors import MiniLMError, described

# Ctrl-C, a request to end, and the end of the terminal or connection that the command was started from.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Failure(Exception):  # noqa: N818 - the answer of the command, not an error of the program
    """The job failed."""


class UsageError(Exception):
    """An option or argument is wrong."""


class Interrupted(KeyboardInterrupt):
    """A signal ended the command: Ctrl-C or another; the message says what is left."""

    def __init__(self, message: str = "interrupted", number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.number = number


def exit_code(error: BaseException) -> tuple[int, str]:
    """Return the exit code for an error that ended a command, and the line to say."""
    if isinstance(error, UsageError):
        return 2, str(error)
    if isinstance(error, KeyboardInterrupt):
        number = error.number if isinstance(error, Interrupted) else signal.SIGINT
        return 128 + number, str(error) or "interrupted"  # as a shell has it
    if isinstance(error, (Failure, MiniLMError)):
        return 1, str(error)
    if isinstance(error, MemoryError):
        return 1, "out of memory: try a smaller --batch-size or fewer texts at once"
    if isinstance(error, OSError) and error.errno is not None:
        place = "" if error.filename is None else f"{error.filename or repr('')}: "
        return 1, f"{place}{error.strerror}"
    return 70, (  # EX_SOFTWARE in sysexits.h
        f"this is a bug in minilm: {described(error)}; please report it with the output of `minilm info` "
        "(MINILM_DEBUG=1 shows the traceback)"
    )


@contextmanager
def argument_errors(error_type: type[Failure | UsageError], names: Mapping[str, str]) -> Iterator[None]:
    """Raise ``error_type`` for a ValueError or TypeError that begins with the name of an argument.

    ``names`` maps it to the option, which the message then names. Any other error passes: it is a bug.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        name, space, rest = str(error).partition(" ")
        if name not in names:
            raise
        raise error_type(names[name] + space + rest) from error


def option_errors(*names: str) -> AbstractContextManager[None]:
    """Turn the library's complaint about these arguments into a :class:`UsageError` that names the option."""
    return argument_errors(UsageError, {name: flag(name) for name in names})


def flag(name: str) -> str:
    """Return the option for an argument of the library: ``--max-texts`` for ``max_texts``."""
    return "--" + name.replace("_", "-")


class Stop(threading.Event):
    """Set once a signal has asked a job to end, whose number is then ``signal``."""

    signal = signal.SIGINT


def interrupted_at_signal() -> AbstractContextManager[None]:
    """Raise :class:`Interrupted` at a signal, in place of the sudden end that most of them are."""
    return _handled(_interrupt)


@contextmanager
def stop_at_signal(announce: Callable[[str], None]) -> Iterator[Stop]:
    """Set an event at the first signal, so that a job finishes its shard; stop at once at the second."""
    stop = Stop()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.signal = signal.Signals(number)
        if stop.is_set():
            _interrupt(number, frame)
        stop.set()
        again = "Ctrl-C again" if number == signal.SIGINT else "a second signal"
        announce(f"finishing the rows in hand; {again} stops at once")

    with _handled(on_signal):
        try:
            yield stop
        except KeyboardInterrupt:  # Ray raises its own in place of an Interrupted, which knows the signal
            raise Interrupted(number=stop.signal) from None


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
    raise Interrupted(number=number)


def _wake(number: int) -> None:
    """Signal the main thread, also while it waits for the system."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        signal.raise_signal(number)


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let a function handle the signals, where Python allows it: in the main thread."""
    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            # What is ignored stays so: SIGHUP under nohup, Ctrl-C in the background of a script. And None is
            # a handler that Python could not restore.
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                previous[number] = signal.signal(number, handler)
    hook = sys.unraisablehook

    def signal_again(ignored: sys.UnraisableHookArgs) -> None:
        """Interrupt later, if Python could not raise an Interrupted: after a fork, or in a destructor."""
        if isinstance(ignored.exc_value, Interrupted):
            threading.Timer(0.1, _wake, [ignored.exc_value.number]).start()
        else:
            hook(ignored)

    sys.unraisablehook = signal_again
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, restored in previous.items():
            signal.signal(number, restored)
