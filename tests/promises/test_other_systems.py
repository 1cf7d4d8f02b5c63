"""What Windows and macOS do otherwise than Linux, faked on Linux where that can be: docs/platforms.md."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import MiniLM, hub
from minilm.cli.main import main
from tests.cli.running import failure
from tests.promises.processes import LACKING, NO_CACHE, ROOT, SCORE, WITHOUT, A, B, minilm, posix, run
from tests.serving import Server

MODULES = ("corpus.ray.cluster", "fast.shared", "integrations.models", "server.batching", "server.sockets")
IMPORTS = f"""
from importlib import import_module
for name in {MODULES}:
    import_module("minilm." + name)
"""


def test_the_modules_that_branch_are_imported_without_what_windows_lacks() -> None:
    for package in ("pyarrow", "uvicorn"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    result = run(sys.executable, "-c", LACKING + IMPORTS, PYTHONPATH=str(ROOT))
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


@posix
def test_ctrl_c_ends_a_command_without_what_windows_lacks(tmp_path: Path) -> None:
    """A job that waits for its input. There is no thread that could be signalled, and no SIGHUP."""
    command = [sys.executable, "-c", WITHOUT, "encode", "-", "-o", str(tmp_path / "out.npy")]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdin is not None
    process.stdin.write(b"A text.\n" * 9000)  # 72 KB, and a pipe holds 64: it returns once some are read
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith(b"minilm: interrupted")


def test_a_cache_of_copies_is_read_like_one_of_links(model: MiniLM, tmp_path: Path) -> None:
    """Where links need a right that the user has not, huggingface-hub puts the files themselves there."""
    repo = hub.default_manifest()
    place = tmp_path / "hub" / f"models--{repo.repo_id.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(repo.revision)
    for name in repo.sha256:
        copy = place / "snapshots" / repo.revision / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(model.checkpoint.directory / name, copy)
    site = tmp_path / "site"
    shutil.copytree(ROOT / "minilm", site / "minilm", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "weights" / "manifest.json", site / "minilm")
    environment = {**NO_CACHE, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    result = minilm("compare", A, B, PYTHONPATH=str(site), PYTHONSAFEPATH="1", **environment)
    assert (result.returncode, result.stdout, result.stderr) == (0, SCORE, b"")


def test_a_file_that_another_process_has_open_is_named_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Windows neither replaces nor removes it: PermissionError. The work is kept for the next run."""
    texts, output = tmp_path / "a.txt", tmp_path / "out.npy"
    arguments = ["encode", str(texts), "-o", str(output)]
    texts.write_text("A text.\n")
    assert main(arguments) == 0
    before = np.load(output)
    texts.write_text("Another text.\n")
    unlink = Path.unlink

    def refuse(path: Path, **more: Any) -> None:
        if path == output:
            raise PermissionError(13, "it is used by another process", str(path))
        unlink(path, **more)

    with monkeypatch.context() as windows:
        windows.setattr(Path, "unlink", refuse)
        code, line = failure(capsys, *arguments, "--overwrite")
    assert (code, line) == (1, f"{output}: it is used by another process")
    np.testing.assert_array_equal(np.load(output), before)
    assert main(arguments) == 0
    assert not np.array_equal(np.load(output), before)


def test_the_service_runs_on_the_loop_of_asyncio(model: MiniLM) -> None:
    """Uvloop has no wheel for Windows."""
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    server = Server(program="import sys; sys.modules['uvloop'] = None\n")
    try:
        status, answer, _ = server.ask("/v1/embeddings", {"input": [A], "model": "all-MiniLM-L6-v2"})
    finally:
        assert server.stop() == 0
    assert status == 200
    vector = np.array(answer["data"][0]["embedding"])
    np.testing.assert_allclose(vector, model.encode(A), rtol=0, atol=3e-7)  # as BOUND of serving.py
