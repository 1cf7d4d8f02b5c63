"""minilm/corpus/ray/cluster.py: Ray itself says nothing, and a failure is one line that says what to do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from minilm import CorpusError, MiniLM
from minilm.cli.main import main
from minilm.corpus.ray.job import encode_on_ray
from minilm.corpus.rows import Corpus
from tests.corpus.ray.machines import Machines, impatient, lines_of, start, wait_until

ray = pytest.importorskip("ray", reason="ray is not installed; pip install '.[ray]' brings it")

# Ray's own warnings are not ours
pytestmark = pytest.mark.filterwarnings("ignore")
posix = pytest.mark.skipif(os.name != "posix", reason="a cluster, signals and what kills as POSIX has them")


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("{here}", None, "minilm: no connection to Ray at {here}: [Errno"),
        ("nowhere", None, "minilm: no connection to Ray at nowhere: Invalid address format"),
        (
            "auto",
            RuntimeError("Version mismatch: the cluster has\n    Ray: 2.1\nand this process\n    Ray: 2.2"),
            "minilm: no connection to Ray at auto: "
            "Version mismatch: the cluster has Ray: 2.1 and this process Ray: 2.2\n",
        ),
        ("local", RuntimeError(), "minilm: Ray does not start here: RuntimeError\n"),
    ],
)
def test_a_cluster_that_is_not_there_or_another_is_one_line(
    address: str,
    error: Exception | None,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        assert error
        raise error

    (tmp_path / "in.txt").write_text("a\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = f"127.0.0.1:{server.getsockname()[1]}"  # nobody, once it is closed
    if error:
        monkeypatch.setattr(ray, "init", fail)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    command = ["encode", str(tmp_path / "in.txt"), "-o", str(tmp_path / "out"), "--engine", "ray"]
    assert main([*command, "--address", address.format(here=here)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(message.format(here=here))
    assert said.count("\n") == 1


@posix
@pytest.mark.parametrize("is_local", [True, False])
def test_a_successful_run_says_nothing(is_local: bool, machines: Machines, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("a\nb\n")
    command = ["encode", str(tmp_path / "in.txt"), "-o", str(tmp_path / "out"), "--engine", "ray"]
    command.append("--quiet")
    driver = start([*command, "--address", "local" if is_local else machines.address])
    assert (*driver.communicate(), driver.returncode) == ("", "", 0)
    assert len(list((tmp_path / "out").iterdir())) == 1


@posix
@pytest.mark.parametrize(
    ("handler", "said", "code"),
    [("lambda *_: print('asked to stop')", "asked to stop\n", 0), ("signal.SIG_DFL", "", -signal.SIGTERM)],
)
@pytest.mark.parametrize("moment", ["start", "job", "shutdown", "end"])
def test_sigterm_is_handled_as_before(handler: str, said: str, code: int, moment: str) -> None:
    """Ray's own handlers would end the process at once, with a stack trace."""
    program = f"""
import os, ray, ray._private.node, signal
from minilm.corpus.ray.cluster import connected

def signalled(function):
    def call(*arguments, **options):
        result = function(*arguments, **options)
        os.kill(os.getpid(), signal.SIGTERM)
        return result
    return call

signal.signal(signal.SIGTERM, {handler})
moment = "{moment}"
if moment == "start":
    ray._raylet.CoreWorker = signalled(ray._raylet.CoreWorker)
with connected(ray, "local", 1):
    if moment == "job":
        os.kill(os.getpid(), signal.SIGTERM)
    if moment == "shutdown":
        ray._private.node.Node.kill_all_processes = signalled(ray._private.node.Node.kill_all_processes)
    ray._raylet.CoreWorker = None
    if moment == "start":
        print(signal.alarm(0), end="")  # seconds until Ray's C++ aborts this process
if moment == "end":
    os.kill(os.getpid(), signal.SIGTERM)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    alarm = "0" if moment == "start" and said else ""
    assert (done.stdout, done.stderr, done.returncode) == (said + alarm, "", code)


@posix
def test_a_stop_while_ray_starts_begins_nothing(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("a\n")
    signalled = (
        "import os, ray, signal; from minilm.corpus.ray import tasks; tasks._Tasks._submit = None; "
        "made = ray._raylet.CoreWorker; "
        "ray._raylet.CoreWorker = lambda *a: (made(*a), os.kill(os.getpid(), signal.SIGTERM))[0]"
    )
    command = ["encode", str(tmp_path / "in.txt"), "-o", str(tmp_path / "out"), "--engine", "ray"]
    driver = start(command, signalled)
    stopping, left = lines_of(driver.communicate()[1])
    assert stopping == "minilm: finishing the rows in hand; a second signal stops at once"
    assert left == "minilm: interrupted after 0 rows; the same command goes on from there"
    assert driver.returncode == 143


@posix
def test_a_cluster_without_machines_is_waited_for_at_the_beginning_only(folder: Path, tmp_path: Path) -> None:
    machines = Machines(head_cores=0, is_mine=False)
    output = tmp_path / "out"
    command = ["encode", str(folder / "a.jsonl"), str(folder / "b.parquet"), "-o", str(output), "--keep"]
    command += [
        "--on-error",
        "skip",
        "--engine",
        "ray",
        "--block-mib",
        "0.001",
        "--address",
        machines.address,
    ]

    def records() -> list[Path]:
        return list(tmp_path.glob("out.incomplete/*/records/*"))

    try:
        driver = start(command, impatient(5.0))  # more than Ray needs
        assert driver.stderr
        assert (
            driver.stderr.readline() == "minilm: no machine of the cluster has cores yet: waiting for one\n"
        )
        machines.add(1)
        wait_until(lambda: len(records()) > 2, driver)
        machines.kill_the_other()
        _, said = driver.communicate()
        assert driver.returncode == 1
        *dead, failure = lines_of(said)
        assert len(dead) <= 1  # none if no block was in hand
        reason = "no machine with the cores of an actor (1) is left in the Ray cluster: start one"
        assert failure == f"minilm: {reason}, and the same command without --overwrite resumes"

        machines.add(1)
        before = len(records())
        driver = start(command, impatient(1.0))
        wait_until(lambda: len(records()) > before, driver)
        machines.kill_the_head()
        _, said = driver.communicate()
        assert driver.returncode == 1
        resumed, error = lines_of(said)
        assert resumed.startswith("minilm: going on after ")
        head = f"minilm: the head of the Ray cluster at {machines.address} does not answer ([Errno"
        assert error.startswith(head)
    finally:
        machines.shut_down()


@posix
def test_a_cluster_that_is_stopped_is_one_line(folder: Path, tmp_path: Path) -> None:
    machines = Machines(is_mine=False)
    command = ["encode", str(folder / "a.jsonl"), "-o", str(tmp_path / "out"), "--on-error", "skip"]
    command += ["--engine", "ray", "--block-mib", "0.001", "--address", machines.address]
    try:
        driver = start(command)
        wait_until(lambda: len(list(tmp_path.glob("out.incomplete/*/records/*"))) > 2, driver)
    finally:
        machines.shut_down()
    _, said = driver.communicate()
    assert driver.returncode == 1
    assert said.splitlines()[-1].endswith("the same command without --overwrite resumes")
    assert all(line.startswith("minilm: ") for line in said.splitlines())


@pytest.mark.usefixtures("machines")
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ray.exceptions.RayError("it broke\n\n  for good \n"), "for good"),
        (ray.exceptions.RayError(), "RayError"),
        (
            ray.exceptions.LocalRayletDiedError(),
            "The task's local raylet died. Check raylet.out for more information.",
        ),
    ],
)
def test_whatever_ray_fails_with_is_one_line(
    error: Exception, reason: str, model: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    (tmp_path / "in.txt").write_text("a\n")
    monkeypatch.setattr(ray, "wait", fail)
    with pytest.raises(CorpusError) as raised:
        encode_on_ray(model, Corpus([str(tmp_path / "in.txt")]), tmp_path / "out")
    assert str(raised.value) == f"Ray gave up ({reason}); the same command without --overwrite resumes"


@pytest.mark.usefixtures("machines")
def test_an_actor_that_no_machine_has_room_for_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.txt").write_text("a\n")
    command = ["encode", str(tmp_path / "in.txt"), "-o", str(tmp_path / "out"), "--engine", "ray"]
    assert main([*command, "--actor-cpus", "64"]) == 1
    reason = "an actor needs 64 cores, and the largest machine of the cluster has 1 (--actor-cpus)"
    assert capsys.readouterr().err == f"minilm: {reason}\n"


def test_a_missing_ray_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "in.txt").write_text("a\n")
    command = ["encode", str(tmp_path / "in.txt"), "-o", str(tmp_path / "out"), "--engine", "ray"]
    begin = "import sys; sys.modules['pyarrow'] = None; from minilm.cli.main import main; sys.exit(main())"
    without_arrow = subprocess.run(
        [sys.executable, "-c", begin, *command], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert without_arrow.returncode == 1
    assert 'which is not installed: pip install "minilm[ray]"' in without_arrow.stderr
    assert without_arrow.stderr.count("\n") == 1
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(command) == 1
    assert 'which is not installed: pip install "minilm[ray]"' in capsys.readouterr().err
