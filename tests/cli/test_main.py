"""cli.py: output, exit codes, and one line on stderr."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM, __version__
from minilm.cli.main import main
from minilm.hub import copy_checkpoint
from tests.checkpoints import MakeCheckpoint, write_cross_encoder
from tests.parity.texts import of_length

A, B = "A girl is styling her hair.", "A girl is brushing her hair."


def run(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command as a user runs it, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "minilm", *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        env={**os.environ, **environment},
    )


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and the one line on stderr of a command that must fail."""
    code = main(arguments)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("minilm: ")
    return code, captured.err.removeprefix("minilm: ").strip()


def test_compare_prints_the_score_to_four_digits() -> None:
    result = run("compare", A, B)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"Score: 0.8052\n", b"")


def test_compare_prints_all_the_digits_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", A, B, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert round(report["score"], 6) == 0.805222
    assert (report["tokens"], report["max_seq_length"]) == ([9, 9], 256)


@pytest.mark.parametrize("blank", ["", " ", "\n\t "])
def test_blank_texts_are_refused_in_the_words_of_the_page(
    capsys: pytest.CaptureFixture[str], blank: str
) -> None:
    for texts in ((blank, B), (A, blank)):
        assert failure(capsys, "compare", *texts) == (2, "Please enter text to compare.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND (see minilm --help)"),
        (["compare", "only one"], "the following arguments are required: TEXT_B (see minilm compare --help)"),
        (["compare", A, B, "--max-seq-length", "513"], "max_seq_length must lie in 3 to 512"),
        (["compare", A, B, "--max-seq-length", "x"], "argument --max-seq-length: invalid int value: 'x'"),
        (["encode", "-o", "vectors.txt"], "--output must end in .parquet, .npy or .jsonl, not 'vectors.txt'"),
        (["encode", "--batch-size", "0"], "--batch-size must be a positive whole number, not 0"),
        (["encode", "--pooling", "sum"], "argument --pooling: invalid choice: 'sum'"),
        (["dance"], "invalid choice: 'dance'"),
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
    assert "inputs[1] holds the lone surrogate" in line


def test_encode_writes_npy_that_the_model_would_give(
    model: MiniLM, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    texts, output = tmp_path / "texts.txt", tmp_path / "vectors.npy"
    texts.write_bytes(b"\xef\xbb\xbffirst line\r\n\nthird \xe2\x80\xa8 line\x0b\nno newline at the end")
    assert main(["encode", str(texts), "-o", str(output)]) == 0
    assert capsys.readouterr() == ("", "")
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


def test_a_cut_text_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", of_length(300), B]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Score: ")
    assert err.startswith("minilm: 1 of 2 texts were cut at 256 tokens")
    assert err.count("\n") == 1


def test_a_reader_that_goes_away_is_no_traceback() -> None:
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


def test_info_says_what_runs_where(capsys: pytest.CaptureFixture[str], model: MiniLM) -> None:
    assert main(["info", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["minilm"] == __version__
    assert report["numpy"] == np.__version__
    assert report["sha256"] == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert report["revision"] == "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
    assert str(model.checkpoint.directory) in report["weights"]
    assert " thread" in report["blas"]
    assert main(["info"]) == 0
    assert f"numpy            {np.__version__}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["info", "--model", "./nowhere"], 1, "'./nowhere' is neither a directory on this machine nor"),
        (["download", "--local-dir", ""], 2, "--local-dir is empty"),
        (["info", "--model", "/", "--revision", "v1"], 1, "revision 'v1' is for a repository on the Hugging"),
        (["compare", "a", "b", "--model", "/", "--revision", "v1"], 1, "and '/' is a directory on this"),
    ],
)
def test_a_place_that_is_none_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    returned, line = failure(capsys, *arguments)
    assert (returned, message in line) == (code, True)


def test_info_reads_a_directory_of_ones_own_to_its_end(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: MiniLM, make_checkpoint: MakeCheckpoint
) -> None:
    def checked(directory: Path) -> str:
        assert main(["info", "--json", "--model", str(directory)]) == 0
        return str(json.loads(capsys.readouterr().out)["checked"])

    copy = copy_checkpoint(model.checkpoint, tmp_path / "copy")
    published = "every file has the checksum published for sentence-transformers/all-MiniLM-L6-v2"
    assert checked(copy) == published
    (copy / "tokenizer_config.json").write_text("{}")  # by which it could be read otherwise
    assert checked(copy) == "it can be read; there is no published checksum for it"
    reranker = write_cross_encoder(make_checkpoint)
    assert checked(reranker) == "it can be read, as a cross-encoder; there is no published checksum for it"
    weights = copy / "model.safetensors"
    with weights.open("r+b") as file:
        file.truncate(weights.stat().st_size - 1)
    code, line = failure(capsys, "info", "--model", str(copy))
    assert (code, line.startswith(f"{weights} cannot be read as safetensors: ")) == (1, True)


def test_info_answers_without_weights(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["info", "--cache-folder", str(tmp_path)]) == 0
    assert "not on this machine; `minilm download` fetches them" in capsys.readouterr().out


def test_download_makes_a_copy_to_carry_away(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: MiniLM
) -> None:
    target = tmp_path / "copy"
    assert main(["download", "--local-dir", str(target)]) == 0
    assert f"every file has its published checksum, in {target}" in capsys.readouterr().out
    assert main(["compare", A, B, "--model", str(target), "--local-files-only"]) == 0
    assert capsys.readouterr().out == "Score: 0.8052\n"
    assert model.checkpoint.verified


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"minilm {__version__}\n"
