"""minilm/corpus/ray/cluster.py: every failure of Ray is one line that says what to do."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from minilm import CorpusError, MiniLM
from minilm.cli.main import main
from minilm.corpus.ray.job import encode_on_ray
from minilm.corpus.rows import Corpus

ray = pytest.importorskip("ray", reason="ray is not installed; pip install '.[ray]' brings it")

# Ray's own warnings are not ours
pytestmark = pytest.mark.filterwarnings("ignore")


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


@pytest.mark.usefixtures("machines")
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("it broke\n\n  for good \n"), "for good"),
        (KeyError(), "KeyError"),
        (ray.exceptions.RayError("a\nb"), "b"),
    ],
)
def test_whatever_ray_data_fails_with_is_one_line(
    error: Exception, reason: str, model: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    (tmp_path / "in.txt").write_text("a\n")
    monkeypatch.setattr(ray.data.Dataset, "iter_batches", fail)
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
