"""minilm encode: options, the output on stdout, and the options for Ray."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM
from minilm.cli import encode
from minilm.cli.encode import ray_arguments
from minilm.cli.main import main, make_parser
from minilm.corpus.rows import Corpus
from tests.cli.running import failure, run
from tests.corpus.running import begin


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


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("in.parquet", ["--delimiter", ";"], "--delimiter is for csv, tsv, and the input is parquet"),
        ("in.jsonl", ["--no-header"], "--no-header is for csv, tsv, and the input is jsonl"),
        ("in.txt", ["--quoting"], "--quoting is for csv, tsv, and the input is text"),
        ("in.json", ["--no-quoting"], "--no-quoting is for csv, tsv, and the input is json"),
        (
            "in.parquet",
            ["--encoding", "utf-16"],
            "--encoding is for csv, json, jsonl, text, tsv, and the input is",
        ),
        (
            "in.csv",
            ["--encoding", "klingon"],
            "--encoding must be a codec of Python, such as utf-16 or cp1252",
        ),
        (
            "in.csv",
            ["--delimiter", "::"],
            "--delimiter must be one character, but no quote or newline, not '::'",
        ),
        ("in.csv", ["--delimiter", ""], "--delimiter must be one character, but no quote or newline, not ''"),
    ],
)
def test_a_setting_that_no_input_knows_is_refused(
    name: str, options: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / name).touch()
    code, line = failure(capsys, "encode", str(tmp_path / name), "-o", str(tmp_path / "out.npy"), *options)
    assert (code, line.startswith(message)) == (2, True)


@pytest.mark.parametrize("value", ["\\t", "tab", "\t"])
def test_a_tab_can_be_typed(value: str, tmp_path: Path) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text("id\ttext\n1\ta\n")
    assert main(["encode", str(source), "-o", str(output), "--delimiter", value]) == 0
    assert json.loads(output.read_text())["text"] == "a"


def test_another_dialect_is_another_job(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text("text\na\n")
    assert main(["encode", str(source), "-o", str(output), "--quiet"]) == 0
    code, line = failure(capsys, "encode", str(source), "-o", str(output), "--encoding", "cp1252")
    assert (code, "encoding was None and is 'cp1252'" in line) == (1, True)


def test_quiet_says_errors_only(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.npy"
    source.write_text('"' + "long " * 300 + '"\nnull\n"long"\n"long"\n')
    command = ["encode", str(source), "-o", str(output), "--on-error", "skip", "--dedupe"]
    assert main(command) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [re.sub(r"[0-9.,]+ (?=s |rows/s)", "", line) for line in lines] == [
        f"minilm: 1 row had no text and was left out: see {output}.errors.jsonl",
        "minilm: 2 distinct of 3 texts were encoded",
        "minilm: 1 of 2 texts were cut at 256 tokens (max_seq_length); the rest of them was not encoded",
        f"minilm: 3 rows in s (rows/s): {output}",
    ]
    for again in (["--overwrite"], []):
        assert main([*command, "--quiet", *again]) == 0
        assert capsys.readouterr() == ("", "")
    code, line = failure(capsys, "encode", str(source), "--quiet")
    assert (code, line) == (1, f"{source}, line 2: null (--on-error skip or empty goes on)")
    refusal = "--progress and --quiet exclude each other"
    assert failure(capsys, *command, "--quiet", "--progress") == (2, refusal)


@pytest.mark.parametrize("length", [238, 255, 300, 5000])
@pytest.mark.parametrize("suffix", [".npy", ".parquet", ""])
def test_a_name_that_is_too_long_is_refused_before_the_model_is_loaded(
    length: int,
    suffix: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encode, "load_model", None)
    (tmp_path / "in.txt").write_text("a\n")
    output = tmp_path / ("é" * 5 + "x" * (length - 10 - len(suffix)) + suffix)  # é has two bytes
    engine = [] if suffix else ["--engine", "ray"]
    code, line = failure(capsys, "encode", str(tmp_path / "in.txt"), "-o", str(output), *engine)
    assert (code, line.startswith(f"{output}: the name is too long")) == (1, True)
    assert line.endswith("Take a shorter one")
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]


def test_the_longest_name_that_is_not_refused_is_good(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('"a"\nnull\n')
    output = tmp_path / ("x" * (255 - len(".manifest.json.tmp") - 4) + ".npy")
    assert main(["encode", str(tmp_path / "in.jsonl"), "-o", str(output), "--on-error", "skip"]) == 0
    assert output.exists()


@pytest.mark.parametrize("kind", ["directory", "file", "no folder", "read-only"])
def test_an_output_that_cannot_be_written_is_refused_before_the_model_is_loaded(
    kind: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "load_model", None)
    (tmp_path / "in.txt").write_text("a\n")
    output = tmp_path / "out.npy"
    reason = f"{output} exists, and not from here: take another name, or --overwrite"
    if kind == "directory":
        output.mkdir()
    elif kind == "file":
        output.touch()
    elif kind == "no folder":
        output = tmp_path / "in.txt" / "out.npy"
        reason = f"{tmp_path / 'in.txt'}: No such directory"
    else:

        def refuse(**_: object) -> None:
            raise PermissionError(13, "Permission denied", "tmp123")

        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)  # root may write anywhere
        reason = f"{tmp_path}: Permission denied; the output cannot be written there"
    assert failure(capsys, "encode", str(tmp_path / "in.txt"), "-o", str(output)) == (1, reason)


@pytest.mark.parametrize("pattern", ["*.jsonl", "**/*.jsonl", "{}/*.jsonl", "link/*.jsonl", "**/*"])
def test_a_pattern_leaves_out_what_the_job_itself_has_written(
    pattern: str,
    model: MiniLM,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    folder = tmp_path if pattern == "link/*.jsonl" else tmp_path / "data"
    monkeypatch.chdir(folder)
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / "data" / name).write_text('"one"\nnull\n"two"\n')
    output = str(Path("link" if folder == tmp_path else "") / "all.jsonl")
    command = [
        "encode",
        pattern.format(tmp_path / "data"),
        "-o",
        output,
        "--on-error",
        "skip",
        "--format",
        "jsonl",
    ]
    with monkeypatch.context() as patched:  # a job that is interrupted has files in its folder
        patched.setattr("minilm._pipeline.WINDOW_TEXTS", 2)
        paths = [Path(path) for path in Corpus([command[1]], format="jsonl").paths]
        begin(model, paths, Path(output), on_error="skip")
        assert main(command) == 0
    written = Path(output).read_bytes()
    assert written.count(b"\n") == 4
    assert Path(f"{output}.errors.jsonl").exists()
    capsys.readouterr()
    assert main(command) == 0
    assert capsys.readouterr().err.splitlines()[-1] == f"minilm: {output} is complete: 4 rows"
    assert main([*command, "--overwrite"]) == 0
    assert Path(output).read_bytes().count(b"\n") == 4
    capsys.readouterr()
    code, line = failure(capsys, "encode", output, "-o", output)  # named, it is refused as before
    assert (code, line) == (
        1,
        f"{output} is an input, and would be overwritten: take another name than {output}",
    )


def test_a_pattern_that_has_the_output_only_matches_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("a\n")
    assert main(["encode", str(source), "-o", str(output)]) == 0
    capsys.readouterr()
    pattern = str(tmp_path / "*.jsonl")
    code, line = failure(capsys, "encode", pattern, "-o", str(output))
    assert (code, line) == (1, f"no file matches {pattern!r} but {output}, which belongs to the output")


def test_an_output_is_on_this_machine(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.txt").write_text("a\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert main(["encode", "~/in.txt", "-o", "~/out.npy", "--quiet"]) == 0
    assert np.load(tmp_path / "out.npy").shape == (1, 384)
    code, line = failure(capsys, "encode", "~/in.txt", "-o", "s3://bucket/out.npy")
    assert (code, line) == (
        2,
        "--output must be on this machine, not 's3://bucket/out.npy': copy it there afterwards",
    )
