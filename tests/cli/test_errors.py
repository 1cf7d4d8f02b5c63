"""minilm/cli/errors.py: complaints in the words of the command line, and signals that end a command."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from minilm.cli.errors import (
    Failure,
    Interrupted,
    UsageError,
    argument_errors,
    exit_code,
    flag,
    interrupted_at_signal,
    option_errors,
    stop_at_signal,
)


def test_options_have_the_names_of_their_arguments() -> None:
    assert flag("max_seq_length") == "--max-seq-length"


@pytest.mark.parametrize("error", [ValueError, TypeError])
def test_a_complaint_names_the_option(error: type[Exception]) -> None:
    with (
        pytest.raises(UsageError, match=r"^--max-texts must be positive, not 0$"),
        option_errors("max_texts"),
    ):
        raise error("max_texts must be positive, not 0")
    with (
        pytest.raises(Failure, match="TEXT_B is empty"),
        argument_errors(Failure, {"inputs[1]": "TEXT_B"}),
    ):
        raise error("inputs[1] is empty")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("operands could not be broadcast"),
        ValueError("max_texts_of_all must be positive"),  # the name of another argument
        ValueError(),
        KeyError("max_texts"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    ],
)
def test_any_other_error_passes(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, option_errors("max_texts"):
        raise error
    assert raised.value is error


on_posix = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


@on_posix
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_a_command_with_its_own_exit_code(name: str, code: int) -> None:
    number = getattr(signal, name)
    previous = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(Interrupted) as raised, interrupted_at_signal():
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, previous)
    assert exit_code(raised.value) == (code, "interrupted")


@on_posix
def test_the_first_signal_stops_the_job_and_the_second_ends_it_at_once() -> None:
    said: list[str] = []
    with stop_at_signal(said.append) as stop:
        assert not stop.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert (stop.is_set(), stop.signal) == (True, signal.SIGTERM)
        with pytest.raises(Interrupted) as raised:
            signal.raise_signal(signal.SIGINT)
    assert raised.value.number == signal.SIGINT
    assert said == ["finishing the rows in hand; a second signal stops at once"]


@on_posix
def test_a_second_signal_keeps_its_number_whatever_another_library_raises() -> None:
    """Ray raises a KeyboardInterrupt in place of what a handler raises."""

    def raise_another() -> None:
        with stop_at_signal(lambda _: None):
            signal.raise_signal(signal.SIGINT)
            try:
                signal.raise_signal(signal.SIGTERM)
            except Interrupted:
                raise KeyboardInterrupt from None

    with pytest.raises(Interrupted) as raised:
        raise_another()
    assert exit_code(raised.value) == (143, "interrupted")


@on_posix
def test_a_signal_in_a_destructor_is_not_lost(capsys: pytest.CaptureFixture[str]) -> None:
    class Signalled:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    def destroy() -> None:
        with interrupted_at_signal():
            Signalled()
            time.sleep(60)

    with pytest.raises(Interrupted) as raised:
        destroy()
    assert raised.value.number == signal.SIGTERM
    assert capsys.readouterr().err == ""


@on_posix
def test_a_signal_that_is_ignored_stays_so() -> None:
    """Under nohup a command outlives its terminal."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_at_signal(print) as stop, interrupted_at_signal():
            signal.raise_signal(signal.SIGHUP)
        assert not stop.is_set()
    finally:
        signal.signal(signal.SIGHUP, previous)


def test_another_thread_handles_no_signals() -> None:
    def run() -> None:
        with stop_at_signal(print) as stop, interrupted_at_signal():
            seen.append(stop.is_set())

    seen: list[bool] = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [False]
