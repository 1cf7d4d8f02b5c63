"""``minilm check`` from the command line, against stand-ins."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from minilm import MiniLM
from minilm.check.texts import chosen_texts
from minilm.cli.main import main
from tests.check.services import Service, serving
from tests.checkpoints import TINY, MakeCheckpoint, random_tensors, write_checkpoint
from tests.cli.running import failure
from tests.serving import Server

pytestmark = pytest.mark.filterwarnings("ignore::minilm.TruncationWarning")


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    capsys.readouterr()
    assert main(["check", *arguments, "--json"]) == 0
    result: dict[str, object] = json.loads(capsys.readouterr().out)
    return result


def test_an_ollama_like_server_that_cuts_at_512_and_does_not_normalize_is_told_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = MiniLM(max_seq_length=512)
    other.normalize = False
    with serving(Service(other.encode, "ollama", models=["all-minilm:l6-v2"])) as service:
        assert main(["check", service.url]) == 0
        assert 20 <= len(service.requests) <= 40
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "same model, float32, with 2 differences: does not normalize its vectors; cuts at 512 tokens"
    )
    assert lines[1] == f"target: {service.url}/api/embed (Ollama's protocol)"
    assert any(
        line.startswith("   evidence: 11 of 11 texts that this changes are explained") for line in lines
    )
    assert any("as pooling leaves them" in line for line in lines)


def test_minilms_own_vectors_are_the_same_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    texts, vectors = str(tmp_path / "texts.jsonl"), str(tmp_path / "vectors.npy")
    assert main(["check", "--emit", texts, "--quick"]) == 0
    assert capsys.readouterr().out.startswith(f"{texts}: 40 texts; ")
    assert main(["encode", texts, "-o", vectors]) == 0
    result = report(capsys, vectors, "--quick", "--fail-above", "1e-5")
    assert (result["verdict"], result["findings"]) == ("same model, float32", [])
    assert failure(capsys, "check", vectors)[1].startswith(f"{vectors} has 40 vectors for the 200 texts")


def test_fail_above_is_for_ci(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, make_checkpoint: MakeCheckpoint
) -> None:
    small = str(make_checkpoint())
    assert main(["check", "--emit", str(tmp_path / "t.jsonl"), "--quick"]) == 0
    texts = [json.loads(line)["text"] for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    np.save(tmp_path / "v.npy", MiniLM(small).encode(texts, pooling="cls"))
    capsys.readouterr()
    assert (
        main(["check", str(tmp_path / "v.npy"), "--quick", "--fail-above", "1e-5", "--checkpoint", small])
        == 1
    )
    captured = capsys.readouterr()
    assert captured.out.startswith("same model, float32, with 1 difference: takes the vector of [CLS]")
    assert "the largest error is" in captured.err
    assert "above --fail-above 1e-05" in captured.err


def test_a_text_that_is_refused_is_a_finding_and_fails_the_limit(
    capsys: pytest.CaptureFixture[str], make_checkpoint: MakeCheckpoint
) -> None:
    small = str(make_checkpoint())

    class Strict(Service):
        def answer(self, path: str, body: dict[str, list[str]] | None) -> tuple[int, object]:
            if body and "" in body.get("inputs", []):
                return 422, {"error": "`inputs` cannot be empty"}
            return super().answer(path, body)

    with serving(Strict(MiniLM(small).encode, "tei")) as service:
        result = report(capsys, service.url, "--quick", "--checkpoint", small)
        assert main(["check", service.url, "--quick", "--fail-above", "1e-5", "--checkpoint", small]) == 1
    assert result["refused"] == 1
    assert "refuses 1 of 1 texts of the class 'empty'" in str(result["verdict"])
    assert "texts that were refused, of unknown error: 1" in capsys.readouterr().err


def test_a_command_in_any_language(
    capsys: pytest.CaptureFixture[str], make_checkpoint: MakeCheckpoint
) -> None:
    small = str(make_checkpoint())
    code = (
        "import sys, json; from minilm import MiniLM; import warnings; warnings.simplefilter('ignore');"
        "vectors = MiniLM(sys.argv[1]).encode([json.loads(line)['text'] for line in sys.stdin]);"
        "print('\\n'.join(json.dumps(v.tolist()) for v in vectors))"
    )
    command = shlex.join([sys.executable, "-c", code, small])
    assert report(capsys, command, "--quick", "--checkpoint", small)["verdict"] == "same model, float32"


@pytest.mark.parametrize("path", ["/v1", "/embed"])
def test_our_own_server_is_the_same_model(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    server = Server("--api-key", "key")
    try:
        result = report(capsys, server.url + path, "--api-key", "key", "--quick")
        assert failure(capsys, "check", server.url + path)[1].endswith("--api-key or --header gives it a key")
    finally:
        server.stop()
    findings = result["findings"]
    assert isinstance(findings, list)
    assert {finding["name"].partition(":")[0] for finding in findings} <= {"refused"}
    assert result["largest_error"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "TARGET is missing: an http(s) address, module:function, a command, or a file of vectors"),
        (["no-such-thing"], "TARGET must be an http(s) address, module:function, a command, or a file of"),
        (["ftp://host"], "TARGET must be an http(s) address"),
        (["'unclosed"], 'TARGET "\'unclosed" is no command: No closing quotation'),
        (["a:b", "--emit", "x"], "--emit takes no TARGET"),
        (["--emit", "x", "--fail-above", "1"], "--fail-above has no meaning for --emit"),
        (["--emit", "x", "--json"], "--json has no meaning for --emit"),
        (["a:b", "--api-key", "k"], "--api-key has no meaning for 'a:b', which is no HTTP service"),
        (["a:b", "--model", "m"], "--model has no meaning for 'a:b', which is no HTTP service"),
        (["a:b", "--timeout", "5"], "--timeout has no meaning for a function"),
        (["http://a", "--api-key", "k\n"], "--api-key must be printable ASCII"),
        (["http://a", "--api-key", "k", "--header", "authorization: x"], "--header and --api-key must give"),
        (
            ["http://a", "--header", "X: 1", "--header", "x: 2"],
            "--header and --api-key must give each header",
        ),
        (["http://a", "--header", "no colon"], "--header must be \"Name: value\", not 'no colon'"),
        (["http://a", "--header", "A: b\r\nC: d"], '--header must be "Name: value"'),
        (["http://[::1"], "TARGET must be an address such as http://localhost:11434, not 'http://[::1'"),
        (["http://a", "--timeout", "0"], "--timeout must be a positive number, not 0"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = failure(capsys, "check", *arguments)
    assert code == 2
    assert said.startswith(message)


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, "check", "no-such-file.npy") == (1, "no-such-file.npy: No such file")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"[[1, 2], [3, 4]]", "asked for 1 vector, got 2"),
        (b"<html>", "no vectors, but HTTP 200: an HTML page"),
        (b"[[1, NaN]]", "got NaN in component 1 of vector 0"),
        (b"[[1, null]]", "got null in component 1 of vector 0"),
        (b'[["0.5"]]', "got '0.5' in component 0 of vector 0, which is not a number"),
        (b"[" * 200_000, "/embed with 1 text: the JSON is nested too deeply"),
    ],
)
def test_bad_answers_are_one_line(
    answer: bytes, message: str, capsys: pytest.CaptureFixture[str], model: MiniLM
) -> None:
    with serving(Service(model.encode, "tei")) as service:
        service.first = [(200, {}, answer)]
        code, said = failure(capsys, "check", f"{service.url}/embed")
    assert code == 1
    assert message in said


def test_vectors_of_another_width_are_not_this_model(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Service(lambda texts: np.ones((len(texts), 768)), "tei")) as service:
        code, said = failure(capsys, "check", service.url)
    assert code == 1
    assert said.endswith("asked for vectors of 384 components, got 768: not this model")


def test_another_checkpoint_is_recognized_by_its_name(
    capsys: pytest.CaptureFixture[str], make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    one, other, wide = make_checkpoint("one"), make_checkpoint("other"), tmp_path / "wide"
    save_file(random_tensors(TINY, seed=5), other / "model.safetensors")
    write_checkpoint(wide, replace(TINY, hidden_size=32))
    texts = [text for members in chosen_texts(quick=True).values() for text in members]
    for directory in (other, wide):
        np.save(tmp_path / f"{directory.name}.npy", MiniLM(directory).encode(texts))
    options = ["--quick", "--checkpoint", str(one)]
    result = report(capsys, str(tmp_path / "other.npy"), *options, "--against", str(other))
    assert result["verdict"] == "not this model, but that of --against, float32"
    assert result["same_model"] is False
    for against in ([], ["--against", str(wide)]):
        assert report(capsys, str(tmp_path / "other.npy"), *options, *against)["verdict"] == "not this model"
    code, said = failure(capsys, "check", str(tmp_path / "wide.npy"), *options, "--against", str(wide))
    assert code == 1
    assert "asked for vectors of 16 components, got 32: not this model but perhaps" in said
    assert said.endswith(f"{wide}: name it with --checkpoint")
    options = ["--quick", "--checkpoint", str(wide), "--against", str(other)]
    code, said = failure(capsys, "check", str(tmp_path / "other.npy"), *options)
    assert code == 1
    assert "asked for vectors of 32 components, got 16: not this model but perhaps" in said
