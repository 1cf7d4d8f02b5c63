"""minilm serve: options, the port, and what fails before the first request."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from minilm.cli.main import main
from tests.checkpoints import MakeCheckpoint, write_cross_encoder

pytest.importorskip("fastapi", reason="fastapi is not installed; the extra serve brings it")

from minilm.server.settings import ServerSettings


def test_a_reranker_has_one_label(make_checkpoint: MakeCheckpoint, capfd: pytest.CaptureFixture[str]) -> None:
    directory = write_cross_encoder(make_checkpoint, labels=2)
    assert main(["serve", "--port", "0", "--reranker", str(directory)]) == 1
    assert "a reranker has one label" in capfd.readouterr().err
    assert main(["serve", "--port", "0", "--default-prompt-name", "nothing"]) == 2
    assert "--default-prompt-name must be one of query" in capfd.readouterr().err


@pytest.mark.parametrize("option", ["--reranker", "--classifier", "--sparse-encoder"])
def test_an_empty_name_of_another_model_is_not_ignored(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--port", "0", option, ""]) == 1
    assert capsys.readouterr().err.startswith("minilm: '' is neither a directory on this machine nor")


def test_a_dense_model_is_no_sparse_encoder(
    make_checkpoint: MakeCheckpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--port", "0", "--sparse-encoder", str(make_checkpoint())]) == 1
    assert (
        "model_type 'SentenceTransformer' is not supported, only 'SparseEncoder' is"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("origin", ["example.org", "https://example.org/", "https://Example.org", "", "null"])
def test_an_invalid_origin_is_refused(origin: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", "--cors-origin", origin]) == 2
    assert f"--cors-origin must be like https://example.org, or *, not {origin!r}" in capsys.readouterr().err


def test_a_port_in_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 1
    assert capsys.readouterr().err == (
        f"minilm: 127.0.0.1:{port}: Address already in use: choose another --port, or 0 for a free one\n"
    )


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70, ".."])
def test_an_invalid_host_is_named(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", "--host", host]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"minilm: {host}:0: ")
    assert captured.err.count("\n") == 1


def test_a_missing_file_is_named_and_not_the_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "manifest.json"
    monkeypatch.setattr("minilm.cli.serve.load_model", lambda *_, **__: missing.read_bytes())
    assert main(["serve", "--port", "0"]) == 1
    assert capsys.readouterr().err == f"minilm: {missing}: No such file or directory\n"


@pytest.mark.parametrize(
    "options",
    [
        ["--port", "70000"],
        ["--max-body-bytes", "0"],
        ["--max-texts", "0"],
        ["--max-characters", "-1"],
        ["--max-queue-tokens", "0"],
        ["--threads", "0"],
        ["--api-key", ""],
        ["--body-seconds", "nan"],
        ["--body-seconds", "0"],
        ["--cors-origin", "example.org"],
        ["--root-path", "minilm"],
        ["--root-path", "/minilm/"],
        ["--root-path", "/"],
        ["--root-path", "/a/../b"],
        ["--root-path", "/v1"],
        ["--root-path", "/api"],
        ["--host", ""],
        ["--forwarded-allow-ips", "proxy.example.org"],
        ["--forwarded-allow-ips", "10.0.0.1/8"],
        ["--default-prompt-name", "", "--port", "0"],
    ],
)
def test_wrong_options_exit_2(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *options]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith(f"minilm: {'the API key' if options[0] == '--api-key' else options[0]} must ")


def test_without_the_extra_the_command_says_what_to_install() -> None:
    code = "import sys; sys.modules['fastapi'] = None; from minilm.cli.main import main; "
    code += "sys.exit(main(['serve']))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ
    )
    assert result.returncode == 1
    assert "serve needs fastapi, which is not installed" in result.stderr
    assert 'pip install "minilm[serve]"' in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--token-ids", "cl100k_base"], "--token-ids must be \"wordpiece\" or not set, not 'cl100k_base'"),
        (["--token-ids", ""], "--token-ids must be \"wordpiece\" or not set, not ''"),
        (["--auto-truncate", "no"], "--auto-truncate must be true or false, not no"),
        (["--served-model-name", "a", " "], "--served-model-name must be names of printable characters"),
        (
            ["--served-model-name", "a", "--served-model-name", "a"],
            "--served-model-name must be different names",
        ),
    ],
)
def test_a_wrong_value_is_named(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", *options]) == 2
    captured = capsys.readouterr().err
    assert captured.startswith(f"minilm: {message}")
    assert captured.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "names", "is_strict", "token_ids", "is_cut"),
    [
        ([], (), False, None, True),
        (["--auto-truncate"], (), False, None, True),
        (["--auto-truncate", "true"], (), False, None, True),
        (["--auto-truncate", "false"], (), False, None, False),
        (["--no-auto-truncate", "--token-ids", "wordpiece"], (), False, "wordpiece", False),
        (["--served-model-name", "a/b", "c", "--strict-model"], ("a/b", "c"), True, None, True),
        (["--served-model-name", "a", "--served-model-name", "b"], ("a", "b"), False, None, True),
    ],
)
def test_options_become_settings(
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    names: tuple[str, ...],
    is_strict: bool,
    token_ids: str | None,
    is_cut: bool,
) -> None:
    given: list[ServerSettings] = []
    monkeypatch.setattr("minilm.server.run.serve", lambda _model, settings, *_others: given.append(settings))
    monkeypatch.setattr("minilm.server.logs.set_up_logging", lambda *_: None)  # it is for the whole process
    assert main(["serve", "--port", "0", *options]) == 0
    [settings] = given
    assert (settings.served_model_names, settings.strict_model) == (names, is_strict)
    assert (settings.token_ids, settings.auto_truncate) == (token_ids, is_cut)
