"""Forks, signals and threads while texts are encoded: no deadlock, no wrong vector, nothing on stderr."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM
from tests.parity.texts import PLAIN, of_length

ROOT = Path(__file__).resolve().parents[2]
# Short and long texts, so that some threads have packs of their own and some share a text.
TEXTS = [*PLAIN[:40], *(of_length(n) for n in (5, 60, 100, 250))]

CALLS = int(os.environ.get("MINILM_FAULT_CALLS", "40"))  # calls per thread, or forks; long runs set more
PATIENCE = 120.0  # seconds after which a wait counts as a deadlock; no time is measured

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

# The result of the same call. Its packs are the same, so its bits are the same under any kernels.
Expected = np.ndarray


@pytest.fixture(scope="module")
def expected(model: MiniLM) -> Expected:
    return model.encode(TEXTS)


def run(program: str) -> None:
    """Run a program, which must end by itself and print nothing on stderr."""
    # Python 3.12 and later warn of a fork in a process with several threads, which BLAS starts
    switches = ["-W", "error::UserWarning", "-W", "ignore:This process:DeprecationWarning"]
    done = subprocess.run(
        [sys.executable, *switches, "-c", PRELUDE + textwrap.dedent(program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={key: value for key, value in os.environ.items() if key != "TOKENIZERS_PARALLELISM"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


PRELUDE = """
import multiprocessing, os, signal, sys, threading
import numpy as np
from minilm import MiniLM
from tests.promises.test_faults import CALLS, TEXTS
def main():
    model = MiniLM(threads=2)
    expected = model.encode(TEXTS)
    def child_is_right():
        pid = os.fork()
        if pid == 0:  # no exception may run on into the parent's code
            try:
                is_right = all(np.array_equal(model.encode(TEXTS), expected) for _ in range(2))
                os._exit(0 if is_right else 3)
            finally:
                os._exit(4)
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status) == 0
"""
CALL_MAIN = '\nif __name__ == "__main__":\n    main()\n'


def body(program: str) -> str:
    return textwrap.indent(textwrap.dedent(program), "    ") + CALL_MAIN


@needs_fork
def test_a_child_forked_after_use_encodes_as_its_parent() -> None:
    run(
        body("""
        for _ in range(5):
            assert child_is_right()
        assert "TOKENIZERS_PARALLELISM" not in os.environ
        assert np.array_equal(model.encode(TEXTS), expected)
    """)
    )


@needs_fork
def test_workers_forked_from_a_server_that_has_loaded_the_model_encode_at_once() -> None:
    """Fork as gunicorn's --preload does."""
    run(
        body("""
        pids = []
        for _ in range(4):
            pid = os.fork()
            if pid == 0:
                try:
                    os._exit(0 if all(np.array_equal(model.encode(TEXTS), expected) for _ in range(5)) else 3)
                finally:
                    os._exit(4)
            pids.append(pid)
        assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 4
    """)
    )


@needs_fork
@pytest.mark.parametrize("is_used", [False, True], ids=["made", "used"])
def test_workers_forked_from_a_server_that_has_made_the_application_answer(is_used: bool) -> None:
    """Fork as gunicorn's --preload does; the threads that encode are not in the child."""
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    run(
        body(f"""
        import asyncio, json
        from minilm.server.app import create_app
        app = create_app(model)
        async def answer():
            content = b""
            body = json.dumps({{"inputs": TEXTS, "truncate": True}}).encode()
            given = [{{"type": "http.request", "body": body, "more_body": False}}]
            async def receive():
                return given.pop()
            async def send(message):
                nonlocal content
                content += message.get("body", b"")
            scope = {{"type": "http", "method": "POST", "path": "/embed", "query_string": b""}}
            scope["headers"] = [(b"content-type", b"application/json")]
            await app(scope, receive, send)
            return json.loads(content)
        def is_right():
            # packs are made otherwise than by encode; to this bound vectors are the same under any kernels
            return np.abs(asyncio.run(answer()) - expected).max() < 3e-7
        if {is_used}:
            assert is_right()
        for _ in range(4):
            pid = os.fork()
            if pid == 0:
                signal.alarm(60)  # a deadlock ends the child, and fails the test
                try:
                    os._exit(0 if is_right() and is_right() else 3)
                finally:
                    os._exit(4)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert is_right()
    """)
    )


@needs_fork
def test_a_forked_child_has_its_own_queue() -> None:
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    run(
        body("""
        import asyncio
        from minilm.server.batching import Batcher
        gate = threading.Event()
        def double(texts):
            gate.wait()
            return np.array([[2 * text[0]] for text in texts], np.float32)
        batcher = Batcher(double, threads=1, max_tokens=10)
        async def use():
            asked = [asyncio.ensure_future(batcher.encode([[number] * 5])) for number in (1, 2)]
            await asyncio.sleep(0)
            pid = os.fork()
            if pid == 0:
                signal.alarm(60)
                try:
                    gate.set()
                    # in a loop of its own, as if it were not in one
                    asyncio._set_running_loop(None)
                    row = asyncio.new_event_loop().run_until_complete(batcher.encode([[7] * 10]))
                    os._exit(0 if np.stack(row).tolist() == [[14]] and batcher.waiting_tokens == 0 else 3)
                finally:
                    os._exit(4)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            gate.set()
            assert [np.stack(await rows).item() for rows in asked] == [2, 4]
        asyncio.run(use())
    """)
    )


@needs_fork
def test_a_child_forked_while_other_threads_encode_is_right_and_does_not_wait_for_them() -> None:
    run(
        body("""
        stop = threading.Event()
        wrong = []
        def encode():
            while not stop.is_set():
                if not np.array_equal(model.encode(TEXTS), expected):
                    wrong.append("parent")
        users = [threading.Thread(target=encode) for _ in range(2)]
        for user in users:
            user.start()
        wrong += ["child" for _ in range(CALLS // 4) if not child_is_right()]
        stop.set()
        for user in users:
            user.join()
        assert not wrong, wrong
    """)
    )


@needs_fork
def test_blas_has_its_threads_back_in_a_child_that_was_forked_while_they_were_held() -> None:
    run(
        body("""
        from minilm.fast.blas import _blas_library
        from tests.fast.blas_state import blas_threads
        library = _blas_library()
        before = library.num_threads
        with blas_threads(1):
            pid = os.fork()
            if pid == 0:
                try:
                    model.encode("a text")
                    os._exit(0 if library.num_threads == before else 3)
                finally:
                    os._exit(4)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert library.num_threads == before
    """)
    )


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_pool_of_processes_of_any_kind_encodes_as_its_parent(method: str, tmp_path: Path) -> None:
    """A spawned process gets the model as a pickle."""
    script = tmp_path / "script.py"
    program = f"""
        import functools
        with multiprocessing.get_context({method!r}).Pool(2) as pool:
            parts = pool.map(functools.partial(MiniLM.encode, model), [TEXTS] * 3)
        assert all(np.array_equal(part, expected) for part in parts)
    """
    script.write_text(PRELUDE + body(program))
    # from a file, because a spawned process imports it again
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_pickled_model_is_the_same_model(model: MiniLM, expected: Expected) -> None:
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.encode(TEXTS), expected)
    assert (copy.max_seq_length, copy.threads) == (model.max_seq_length, model.threads)


def at_the_same_time(calls: list[Callable[[], object]]) -> list[BaseException]:
    """The exceptions of calls that run at the same time."""
    errors: list[BaseException] = []

    def guarded(call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    users = [threading.Thread(target=guarded, args=(call,), daemon=True) for call in calls]
    for user in users:
        user.start()
    for user in users:
        user.join(PATIENCE + CALLS)
    assert not any(user.is_alive() for user in users)
    return errors


def test_eight_threads_share_a_model_and_each_has_every_bit_right(model: MiniLM, expected: Expected) -> None:
    alone = {i: model.encode(TEXTS[i]) for i in range(0, len(TEXTS), 5)}

    def use(number: int) -> None:
        for call in range(CALLS // 2):
            if number % 2:
                i = list(alone)[(call + number) % len(alone)]
                np.testing.assert_array_equal(model.encode(TEXTS[i]), alone[i])
            else:
                np.testing.assert_array_equal(model.encode(TEXTS), expected)

    assert at_the_same_time([lambda n=n: use(n) for n in range(8)]) == []  # type: ignore[misc]


@pytest.mark.skipif(os.name != "posix", reason="timers and signals as POSIX has them")
def test_signals_that_are_handled_change_nothing(model: MiniLM, expected: Expected) -> None:
    handled = 0

    def handle(number: int, frame: object) -> None:  # noqa: ARG001 - the signature of a handler
        nonlocal handled
        handled += 1

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        for _ in range(CALLS // 4):
            np.testing.assert_array_equal(model.encode(TEXTS), expected)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert handled > CALLS // 4


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_after_an_interrupt_at_any_moment_the_model_works_as_before(
    model: MiniLM, expected: Expected
) -> None:
    """Ctrl-C between any two steps of encode is raised, not swallowed, and nothing is left behind."""
    generator = np.random.default_rng(0)
    interrupted = 0
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for _ in range(CALLS):
            try:
                signal.setitimer(signal.ITIMER_REAL, float(generator.uniform(0.0005, 0.05)))
                while True:
                    model.encode(TEXTS)
            except KeyboardInterrupt:
                interrupted += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted == CALLS

    def helpers() -> list[threading.Thread]:
        # one that Ctrl-C kept from starting stays in Python's list; it has no ident
        named = (thread for thread in threading.enumerate() if thread.name.startswith("minilm"))
        return [thread for thread in named if thread.ident is not None]

    for thread in helpers():  # the last interrupt may have come during the wait for one
        thread.join(60)
    assert helpers() == []
    np.testing.assert_array_equal(model.encode(TEXTS), expected)
