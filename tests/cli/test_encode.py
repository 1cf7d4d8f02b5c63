"""minilm encode: options, the output on stdout, and the options for Ray."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM
from minilm.cli.encode import ray_arguments
from minilm.cli.main import main, make_parser
from tests.cli.running import failure, run


def test_encode_writes_npy_that_the_model_would_give(
    model: MiniLM, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    texts, output = tmp_path / "texts.txt", tmp_path / "vectors.npy"
    texts.write_bytes(b"\xef\xbb\xbffirst line\r\n\nthird \xe2\x80\xa8 line\x0b\nno newline at the end")
    assert main(["encode", str(texts), "-o", str(output)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(
        rf"minilm: 4 rows in [0-9.]+ s \([0-9,]+ rows/s\): {re.escape(str(output))}\n", captured.err
    )
    # a line is what newlines part: a byte order mark, a carriage return and other separators do not count
    expected = model.encode(["first line", "", "third \u2028 line\x0b", "no newline at the end"])
    np.testing.assert_array_equal(np.load(output), expected)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["texts.txt", "vectors.npy", "vectors.npy.manifest.json"]
    umask = os.umask(0)
    os.umask(umask)
    assert output.stat().st_mode & 0o777 == 0o666 & ~umask


def test_encode_writes_json_lines_to_stdout(model: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("encode", "--pooling", "max", "--no-normalize", stdin="grüße\nb\n".encode())
    assert result.returncode == 0
    rows = [json.loads(line) for line in result.stdout.decode().splitlines()]
    assert [row["text"] for row in rows] == ["grüße", "b"]
    monkeypatch.setattr(model, "normalize", False)
    expected = model.encode(["grüße", "b"], pooling="max")
    # float32 to decimal and back is exact; the same batch in another process is the same computation
    np.testing.assert_array_equal(np.array([row["embedding"] for row in rows], dtype=np.float32), expected)


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    output = tmp_path / "vectors.npy"
    result = run("encode", "-o", str(output), stdin=b"fine\n\xff\n")
    assert result.returncode == 1
    message = b"stdin, line 2: not UTF-8 (invalid start byte) (--on-error skip or empty goes on)"
    assert result.stderr == b"minilm: " + message + b"\n"
    assert not output.exists()


def test_an_output_that_cannot_be_written_leaves_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("a\n")
    code, line = failure(capsys, "encode", str(texts), "-o", str(tmp_path / "no" / "such" / "x.npy"))
    assert code == 1
    assert line.endswith("no/such: No such directory")
    assert [path.name for path in tmp_path.iterdir()] == ["texts.txt"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["in.txt"], "--engine ray needs --output DIRECTORY"),
        (["in.txt", "-o", "out.npy"], "--engine ray needs --output DIRECTORY"),
        (["-o", "out"], "--engine ray reads files that every machine sees, not stdin"),
        (["in.txt", "-", "-o", "out"], "--engine ray reads files that every machine sees, not stdin"),
        (["in.txt", "-o", "out", "--dedupe"], "--dedupe is not for --engine ray"),
        (["in.txt", "-o", "out", "--actors", "0"], "--actors must be a positive whole number, not 0"),
        (
            ["in.txt", "-o", "out", "--actor-cpus", "-1"],
            "--actor-cpus must be a positive whole number, not -1",
        ),
        (["in.txt", "-o", "out", "--block-mib", "nan"], "--block-mib must be a positive number, not nan"),
        (["in.txt", "-o", "out.npy", "--engine", "local", "--actors", "2"], "--actors is for --engine ray"),
        (["in.txt", "-o", "out.npy", "--engine", "local", "--address", "x"], "--address is for --engine ray"),
    ],
)
def test_options_that_ray_lacks_are_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["encode", "--engine", "ray", *options]) == 2
    assert message in capsys.readouterr().err


def test_a_home_that_no_shell_expanded_is_expanded_before_it_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    options = make_parser().parse_args(["encode", "--cache-folder=~/hf"])
    assert ray_arguments(options)["loading"]["cache_folder"] == str((tmp_path / "hf").resolve())


@pytest.mark.parametrize(("size", "expected"), [("0.5", 2**19), ("1e-9", 1), ("1e308", 2**60)])
def test_a_block_has_a_whole_number_of_bytes(size: str, expected: int) -> None:
    options = make_parser().parse_args(["encode", "--block-mib", size])
    assert ray_arguments(options)["block_bytes"] == expected
