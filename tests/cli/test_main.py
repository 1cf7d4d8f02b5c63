"""Exit codes, and one line on stderr for everything that fails."""

from __future__ import annotations

import ast
import errno
import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minilm import CheckpointError, __version__
from minilm.cli.errors import Failure, Interrupted, UsageError, exit_code
from minilm.cli.main import COMMANDS, main, make_parser
from minilm.errors import MissingExtraError
from tests.cli.running import A, B, failure, run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND (see minilm --help)"),
        (["compare", "only one"], "the following arguments are required: TEXT_B (see minilm compare --help)"),
        (["compare", A, B, "--max-seq-length", "513"], "--max-seq-length must lie in 3 to 512"),
        (["compare", A, B, "--dim", "8"], "unrecognized arguments: --dim 8 (see minilm compare --help)"),
        (["--dim", "compare", A, B], "unrecognized arguments: --dim (see minilm --help)"),
        (
            ["compare", A, B, "--max-seq-length", "x"],
            "--max-seq-length must be a positive whole number, not x",
        ),
        (["encode", "-o", "vectors.txt"], "--output must end in .parquet, .npy or .jsonl, not 'vectors.txt'"),
        (["encode", "--batch-size", "0"], "--batch-size must be a positive whole number, not 0"),
        (["encode", "-o", "."], "--output must name a file or folder, not '.'"),
        (["encode", "--pooling", "sum"], "argument --pooling: invalid choice: 'sum'"),
        (["dance"], "invalid choice: 'dance'"),
        (
            ["compare", A, B, "--cache-folder", "~no-such-user/cache", "--revision", "x"],
            "--cache-folder '~no-such-user/cache': ",
        ),
        (["download", "--local-dir", "~no-such-user/copy"], "--local-dir '~no-such-user/copy': "),
    ],
)
def test_wrong_usage_exits_2(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    code, line = failure(capsys, *arguments)
    assert code == 2
    assert message in line


def test_a_job_that_fails_exits_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    missing = tmp_path / "missing.txt"
    assert failure(capsys, "encode", str(missing)) == (1, f"{missing}: No such file or directory")
    code, line = failure(capsys, "compare", A, B, "--model", "no-such", "--local-files-only")
    assert code == 1
    assert line.startswith("sentence-transformers/no-such is not on this machine")
    code, line = failure(capsys, "compare", A, B, "--model", str(tmp_path))
    assert (code, line) == (1, f"{tmp_path} is not a complete checkpoint: config.json is missing")
    code, line = failure(capsys, "compare", A, "half\udc80")
    assert code == 1
    assert line.startswith("TEXT_B holds the lone surrogate")


def test_a_closed_pipe_gives_no_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "minilm", "encode"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    process.stdin.write(b"text\n" * 50)
    process.stdin.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_ctrl_c_exits_130_in_one_line() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "minilm", "encode"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stderr
    # it is reading, or encoding what it has read, once it has taken a megabyte: far more than a pipe holds
    process.stdin.write((b"text" + b" " * 1000 + b"\n") * 1200)
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    assert process.stderr.read() == b"minilm: interrupted\n"
    process.stderr.close()
    process.stdin.close()
    assert process.wait() == 130


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["info", "--model", "./nowhere"], 1, "'./nowhere' is neither a directory on this machine nor"),
        (["download", "--local-dir", ""], 2, "--local-dir is empty"),
        (
            ["info", "--model", "/", "--revision", "v1"],
            2,
            "--revision 'v1' is for a repository on the Hugging",
        ),
        (["compare", "a", "b", "--model", "/", "--revision", "v1"], 2, "and '/' is a directory on this"),
    ],
)
def test_an_unusable_source_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    returned, line = failure(capsys, *arguments)
    assert (returned, message in line) == (code, True)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"minilm {__version__}\n"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UsageError("no query"), 2, "no query"),
        (Failure("it broke"), 1, "it broke"),
        (CheckpointError("it is damaged"), 1, "it is damaged"),
        (MissingExtraError("serve needs fastapi"), 1, "serve needs fastapi"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.txt"), 1, "a.txt: No such file"),
        (OSError(errno.ENOSPC, "No space left"), 1, "No space left"),
        (MemoryError(), 1, "out of memory: try a smaller --batch-size or fewer texts at once"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (Interrupted("interrupted after 7 rows"), 130, "interrupted after 7 rows"),
    ],
)
def test_each_kind_of_error_has_its_exit_code(
    error: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.delenv("MINILM_DEBUG", raising=False)
    monkeypatch.setattr("minilm.cli.compare.load_model", fail)
    assert failure(capsys, "compare", A, B) == (code, message)
    monkeypatch.setenv("MINILM_DEBUG", "1")
    assert main(["compare", A, B]) == code
    lines = capsys.readouterr().err.splitlines()
    assert (lines[0], lines[-1]) == ("Traceback (most recent call last):", f"minilm: {message}")


def test_what_an_interrupted_call_held_is_let_go_in_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Bar:
        disable: bool  # never set, for a signal may come at any place

        def __init__(self, error: BaseException) -> None:
            raise error

        def __del__(self) -> None:
            assert not self.disable

    def fail(_: object) -> None:
        try:
            Bar(KeyboardInterrupt())
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted after 7 rows") from error

    monkeypatch.delenv("MINILM_DEBUG", raising=False)
    monkeypatch.setattr("minilm.cli.compare.load_model", fail)
    complaints: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", complaints.append)
    assert failure(capsys, "compare", A, B) == (130, "interrupted after 7 rows")
    gc.collect()
    assert complaints == []


@pytest.mark.parametrize(
    "error", [ValueError("operands could not be broadcast"), KeyError("x"), TypeError(), OSError("no number")]
)
def test_a_bug_is_told_apart_from_a_mistake(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.delenv("MINILM_DEBUG", raising=False)
    monkeypatch.setattr("minilm.cli.compare.dot_score", fail)
    code, line = failure(capsys, "compare", A, B)
    assert code == 70
    assert line.startswith(f"this is a bug in minilm: {type(error).__name__}")
    assert line.endswith(
        "please report it with the output of `minilm info` (MINILM_DEBUG=1 shows the traceback)"
    )
    assert exit_code(error) == (70, line)


@pytest.mark.parametrize(("value", "shows"), [("1", True), ("0", False), ("", False)])
def test_a_variable_shows_the_traceback(value: str, shows: bool) -> None:
    result = run("compare", A, B, "--model", "./nowhere", MINILM_DEBUG=value)
    assert result.returncode == 1
    assert result.stderr.startswith(b"Traceback") is shows
    assert result.stderr.splitlines()[-1].startswith(b"minilm: './nowhere' is neither a directory")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["encode", "--help"], ["compare", A, B]])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_a_full_disk_behind_stdout_is_a_failure(arguments: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "minilm", *arguments]
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, env=environment)
    assert (result.returncode, result.stderr.count(b"\n")) == (1, 1)
    assert b"No space left on device" in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_a_full_disk_behind_stderr_changes_no_exit_code() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "minilm", "compare", A, ""]
    with Path("/dev/full").open("wb") as full:
        assert subprocess.run(command, stderr=full, check=False, env=environment).returncode == 2


def test_every_command_explains_every_option() -> None:
    [commands] = [action.choices for action in make_parser()._actions if action.choices]
    assert list(commands or ()) == list(COMMANDS)
    for name, parser in dict(commands or {}).items():
        for action in parser._actions:
            assert action.help, f"{action.option_strings or action.metavar} of minilm {name}"
            # a help text that begins like this cannot be read alone
            assert not action.help.startswith(("of ", "in ", "to ")), action.help


def test_a_command_imports_only_what_it_needs() -> None:
    program = (
        "import sys; from minilm.cli.main import main; code = main(sys.argv[1:]); "
        "print([m for m in sys.modules if m.startswith(('minilm.corpus', 'minilm.server', 'minilm.cli.'))])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, "compare", A, B], capture_output=True, text=True, check=True
    )
    score, modules = result.stdout.splitlines()
    assert score == "Score: 0.8052"
    expected = ["compare", "errors", "main", "options", "terminal"]
    assert sorted(ast.literal_eval(modules)) == [f"minilm.cli.{name}" for name in expected]


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize(
    "output", ["out.npy", "missing/out.npy", "out.txt"]
)  # it ends well, fails, is misused
def test_the_handlers_of_signals_are_put_back(
    output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Later a SIGTERM is for who called the command, such as a notebook."""
    numbers = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    before = [signal.getsignal(number) for number in numbers]
    (tmp_path / "in.txt").write_text("a\n")
    code = main(["encode", str(tmp_path / "in.txt"), "-o", str(tmp_path / output)])
    capsys.readouterr()
    assert code == {"out.npy": 0, "missing/out.npy": 1, "out.txt": 2}[output]
    assert [signal.getsignal(number) for number in numbers] == before
