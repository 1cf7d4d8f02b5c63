"""A Python callable."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from minilm.check.targets.function import FunctionTarget, open_function
from minilm.check.targets.target import RefusedError, TargetError

MODULE = """
class Model:
    def encode(self, texts):
        return [[float(len(text)), 1.0] for text in texts]
model = Model()
number = 3
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ported_encoder.py").write_text(MODULE)
    (tmp_path / "broken_encoder.py").write_text("import no_such_package\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_method_of_an_object_in_the_current_directory() -> None:
    target = open_function("ported_encoder:model.encode")
    assert target.embed(["a", "abc"]).tolist() == [[1, 1], [3, 1]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ported_encoder:nothing", "ported_encoder:nothing cannot be imported: AttributeError: .*'nothing'"),
        ("no_such_module:f", "no_such_module:f cannot be imported: ModuleNotFoundError: .*no_such_module"),
        ("broken_encoder:f", "cannot be imported: ModuleNotFoundError: .*no_such_package"),
        (
            "ported_encoder:number",
            "ported_encoder:number is a int, which cannot be called with a list of texts",
        ),
    ],
)
def test_what_cannot_be_imported_is_named(name: str, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        open_function(name)


def test_an_exception_refuses_these_texts() -> None:
    def refuse(texts: list[str]) -> None:
        raise ValueError(f"{len(texts)} are too many")

    with pytest.raises(RefusedError, match="f raised ValueError: 2 are too many"):
        FunctionTarget("f", refuse).embed(["a", "b"])


def test_what_a_function_prints_is_kept_from_the_report_and_its_exit_is_a_refusal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def talk(texts: list[str]) -> list[list[float]]:
        print("loading")
        return [[1.0]] * len(texts)

    FunctionTarget("f", talk).embed(["a"])
    assert capsys.readouterr() == ("", "loading\n")
    with pytest.raises(RefusedError, match="f raised SystemExit: 3"):
        FunctionTarget("f", lambda _: sys.exit(3)).embed(["a"])
