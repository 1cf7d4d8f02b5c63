"""The port of docs/porting.md in plain Python, on a small checkpoint: right, and with faults to be found."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from minilm.cli.main import main
from tests.checkpoints import MakeCheckpoint
from tests.snippets import Runner, sections

NAME = "all-MiniLM-L6-v2"
[SECTION, *_] = sections("docs/porting.md")


class Port:
    """The blocks of the page, as one program with the functions that the page defines."""

    def __init__(self, checkpoint: Path, folder: Path) -> None:
        self.checkpoint = checkpoint
        self.files = folder / "trace.safetensors", folder / "port.safetensors"
        self.trace("a b c", "d", "-o", str(self.files[0]))
        self._runner = Runner(folder, {NAME: str(checkpoint)})
        for block in SECTION.blocks:
            if block.language == "python":
                self._runner.run(block)
        self.functions: dict[str, Any] = self._runner._namespace

    def trace(self, *arguments: str) -> int:
        return main(["trace", *arguments, "--model", str(self.checkpoint)])

    def compare(self, *arguments: str) -> int:
        return self.trace("--compare", str(self.files[1]), *arguments)

    def run(self) -> None:
        self.functions["found"].clear()
        self.functions["port"](str(self.files[1]))


@pytest.fixture
def port(make_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Port:
    monkeypatch.chdir(tmp_path)
    return Port(make_checkpoint(), tmp_path)


def test_the_port_of_the_page_is_right_to_float64(port: Port, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert port.compare("a b c", "d", "--tolerance", "1e-12") == 0
    assert capsys.readouterr().out.startswith("no difference in 35 tensors of ")


def tanh_gelu(x: float) -> float:
    return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def unmasked(scores: list[float], _: list[int]) -> list[float]:
    powers = [math.exp(score) for score in scores]
    return [power / sum(powers) for power in powers]


FAULTS = {
    "tanh": ("gelu", tanh_gelu, "layer 0, output of the activation function: GELU is approximated by tanh"),
    "relu": ("gelu", lambda x: max(x, 0.0), "output of the activation function: ReLU is in its place"),
    "mask": ("softmax", unmasked, "layer 0, attention probabilities: masked keys have weight"),
    "cls": ("pool", lambda x, _: [text[0] for text in x], "pooled vector: the pooling is cls"),
    "padding": (
        "pool",
        lambda x, _: [[sum(column) / len(text) for column in zip(*text, strict=True)] for text in x],
        "pooled vector: padding is counted in the mean",
    ),
    "residual": ("add", None, "the input of the sublayer is not added (residual connection)"),
}


@pytest.mark.parametrize(("function", "wrong", "says"), FAULTS.values(), ids=FAULTS)
def test_a_fault_in_the_port_is_named(
    function: str, wrong: Any, says: str, port: Port, capsys: pytest.CaptureFixture[str]
) -> None:
    right = port.functions[function]
    if wrong is None:  # only in the layers, which add two arguments whose second is a dense output
        calls = iter(range(99))

        def wrong(x: Any, y: Any) -> Any:
            return right(x, y) if next(calls) < 2 else y

    port.functions[function] = wrong
    port.run()
    capsys.readouterr()
    assert port.compare() == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0].endswith(says)
    assert captured.err.count("\n") == 1


def test_eps_is_named(port: Port, capsys: pytest.CaptureFixture[str]) -> None:
    port.functions["config"]["layer_norm_eps"] = 1e-3
    port.run()
    capsys.readouterr()
    assert port.compare() == 1
    says = "embeddings, after layer norm: eps is 0.001, not 1e-12"
    assert capsys.readouterr().out.splitlines()[0] == says


def test_the_scale_of_the_scores_is_named(port: Port, capsys: pytest.CaptureFixture[str]) -> None:
    source = next(block.code for block in SECTION.blocks if "def attention" in block.code)
    start = source.index("def attention")
    code = source[start : source.index("def gelu")].replace(" / math.sqrt(width)", "")
    exec(code, port.functions)
    port.run()
    capsys.readouterr()
    assert port.compare() == 1
    says = "not divided by the root of the head width"
    assert capsys.readouterr().out.splitlines()[0].endswith(says)
