"""Each notebook ends with three exercises, and every number in their answers is computed here."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from minilm import MiniLM, encoder
from minilm._arrays import Parameters
from minilm.checkpoint.weights import expected_shapes
from minilm.fast.packed import Group
from minilm.pooling import mean_pooling, normalize
from minilm.tokenizer import pad
from minilm.variants import RELATIVE_BIAS, attention_bias, position_ids, relative_position_bucket
from tests.parity.make_golden import GOLDEN
from tests.parity.texts import TEXTS

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
POSITIONS = "embeddings.position_embeddings.weight"
ANSWER = re.compile(
    r'<details markdown="1">\n<summary>Answer (\d)</summary>\n\n(.+?)\n\n</details>', re.DOTALL
)

Vectors = npt.NDArray[np.float64]


def cells(number: str, kind: str) -> list[str]:
    """The sources of a notebook's cells of one kind."""
    [path] = NOTEBOOKS.glob(f"{number}_*.ipynb")
    notebook = json.loads(path.read_text("utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def answers(number: str) -> list[str]:
    """The three answers of a notebook, lines joined."""
    found = ANSWER.findall(cells(number, "markdown")[-1])
    assert [place for place, _ in found] == ["1", "2", "3"]
    return [" ".join(answer.split()) for _, answer in found]


def function_of(number: str, name: str, **names: object) -> Any:
    """A function that a notebook defines, with what it uses."""
    for source in cells(number, "code"):
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                exec(ast.unparse(node), names)
                return names[name]
    raise LookupError(name)


def embed(model: MiniLM, parameters: Parameters, text: str) -> Vectors:
    """A text's vector, by the readable encoder."""
    input_ids, mask = pad(model.tokenizer([text]).input_ids)
    return normalize(mean_pooling(encoder.encode(input_ids, mask, parameters, model.config), mask))[0]


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    lines = (NOTEBOOKS / "data" / "sentences.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line and line[0] not in "#=?"]


@pytest.fixture(scope="module")
def embeddings(model: MiniLM, sentences: list[str]) -> npt.NDArray[np.float32]:
    return model.encode(sentences)


@pytest.mark.parametrize("number", ["01", "02", "03", "04", "05", "06"])
def test_a_notebook_ends_with_three_exercises_and_folded_answers(number: str) -> None:
    last = cells(number, "markdown")[-1]
    assert last.startswith("## Exercises\n")
    assert [question in last for question in ("\n**1.** ", "\n**2.** ", "\n**3.** ")] == [True] * 3
    assert all(answers(number))


def test_the_toy_attention_gets_11() -> None:
    exp = np.exp(np.log(4) * np.array([0.0, 1.0, 2.0]))
    np.testing.assert_allclose(exp, [1, 4, 16], rtol=1e-15)
    np.testing.assert_allclose(exp / exp.sum() @ [7, 0, 14], 11, rtol=1e-15)
    assert "= **11**" in answers("01")[0]


def test_a_layer_has_so_many_parameters(model: MiniLM) -> None:
    prefix = "encoder.layer.0."
    sizes = {
        name.removeprefix(prefix): int(np.prod(shape))
        for name, shape in expected_shapes(model.config).items()
        if name.startswith(prefix)
    }

    def size_of(pattern: str) -> str:
        return f"{sum(size for name, size in sizes.items() if re.match(pattern, name)):,}"

    parts = [r"attention\.(self|output\.dense)", r"intermediate", r"output\.dense", r".*LayerNorm"]
    assert [f"= {size_of(part)} |" in answers("01")[1] for part in parts] == [True] * 4
    assert size_of("") == "1,774,464"
    assert "**1,774,464**" in answers("01")[1]


def test_without_positions_the_order_of_words_changes_nothing(
    model: MiniLM, float64_parameters: Parameters
) -> None:
    without = dict(float64_parameters) | {POSITIONS: np.zeros_like(float64_parameters[POSITIONS])}
    first, second = "The dog bites the man.", "The man bites the dog."
    scores = [
        float(embed(model, parameters, first) @ embed(model, parameters, second))
        for parameters in (float64_parameters, without)
    ]
    assert round(scores[0], 3) == 0.973
    assert abs(scores[1] - 1) < 1e-12  # the sums run in another order
    assert "With the positions it is 0.973" in " ".join(cells("01", "markdown")[-1].split())


def test_longer_token_vectors_change_no_entry_of_the_table(model: MiniLM) -> None:
    texts = ["A girl is styling her hair.", "A girl is brushing her hair."]
    x, y = (tokens.astype(np.float64) for tokens in model.encode(texts, output_value="token_embeddings"))

    def table(x: Vectors, y: Vectors) -> Vectors:
        lengths = np.linalg.norm(x.mean(axis=0)) * np.linalg.norm(y.mean(axis=0))
        return x @ y.T / (len(x) * len(y) * lengths)

    assert np.array_equal(table(2 * x, y), table(x, y))  # doubling is exact in floating point
    assert answers("02")[0].startswith("**Nothing.**")


def test_the_first_three_pairs_are_the_same_tokens(model: MiniLM) -> None:
    pairs = re.findall(r"^- \*(.+)\* and \*(.+)\*$", cells("02", "markdown")[-1], re.MULTILINE)
    same = [model.tokenizer([a]).input_ids == model.tokenizer([b]).input_ids for a, b in pairs]
    assert same == [True, True, True, False, False]
    scores = [float(model.similarity(a, b)[0, 0]) for a, b in pairs]
    assert all(abs(score - 1) < 1e-6 for score in scores[:3])
    assert [f"{score:.3f}" in answers("02")[1] for score in scores[3:]] == [True, True]


def test_numbers_are_told_apart_as_text(model: MiniLM) -> None:
    [code] = re.findall(r"```python\n(.+?)```", cells("02", "markdown")[-1], re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    query, wrong, right = "Take 5 mg twice a day.", "Take 500 mg twice a day.", "Twice daily, take 5 mg."
    assert names["same_numbers"](query, right)
    for a, b in [
        (query, wrong),
        ("Order AX-1093 has been shipped.", "Order AX-1903 has been shipped."),
        ("Take five mg.", "Take 5 mg."),
    ]:
        assert not names["same_numbers"](a, b)
    assert [round(float(score), 3) for score in model.similarity(query, [wrong, right])[0]] == [0.927, 0.929]


def test_pairs_are_counted(embeddings: npt.NDArray[np.float32]) -> None:
    first, second = np.triu_indices(240, 1)
    one_meaning, one_topic = first // 3 == second // 3, first // 30 == second // 30
    near = one_meaning & (second - first == 2)
    counts = [near.sum(), (one_meaning & ~near).sum(), (one_topic & ~one_meaning).sum(), (~one_topic).sum()]
    assert counts == [80, 160, 3240, 25200]
    assert [f"**{count:,}**" in answers("03")[0] for count in counts] == [True] * 4
    chosen = (embeddings @ embeddings.T)[first, second] >= 0.6
    assert [int(one.sum()) for one in (chosen, one_meaning[chosen], one_meaning)] == [117, 115, 240]
    assert (round(100 * 115 / 117), round(100 * 115 / 240)) == (98, 48)
    assert "117 pairs reach 0.6, and 115 of them" in answers("03")[1]
    assert "**98%** and a recall of **48%**" in answers("03")[1]


def test_the_most_typical_sentence_of_health(
    embeddings: npt.NDArray[np.float32], sentences: list[str]
) -> None:
    centre = embeddings[90:120].mean(axis=0)  # the fourth of eight topics
    cosines = embeddings @ centre / np.linalg.norm(centre)
    best = int(cosines.argmax())
    assert f"**{sentences[best]}** Its cosine with the mean is {cosines[best]:.3f}." in answers("03")[2]


def test_float32_sums_and_steps() -> None:
    a, b, c = np.array([1e8, -1e8, 1], np.float32)
    assert ((a + b) + c, a + (b + c), np.spacing(a)) == (1, 0, 8)
    step = float(np.spacing(np.float32(0.05)))
    assert (step, f"{step:.1e}", round(3e-8 / step)) == (2**-28, "3.7e-09", 8)
    assert "**3.7e-9**" in answers("04")[1]
    assert "is **8** such steps" in answers("04")[1]


def test_positions_from_1_are_found(model: MiniLM, float64_parameters: Parameters) -> None:
    moved = dict(float64_parameters) | {POSITIONS: np.roll(float64_parameters[POSITIONS], -1, axis=0)}
    with np.load(GOLDEN) as golden:
        truth = golden["embeddings_float64"][:12]
    largest = np.abs([embed(model, moved, text) for text in TEXTS[:12]] - truth).max()
    assert f"The largest difference is **{largest:.2f}**" in answers("04")[2]


def test_operations_padding_and_cores() -> None:
    products = 6 * (4 * 384 * 384 + 2 * 384 * 1536) * 2
    assert (products, products / (6 * 4 * 384)) == (21_233_664, 2304)
    assert answers("05")[0].startswith("**2,304.**")
    lay_out = function_of("05", "lay_out", np=np, Group=Group)
    groups = lay_out([[0] * length for length in (5, 3, 5, 12)])[1]
    assert [f"`{group}`" in answers("05")[1] for group in groups] == [True] * 3
    assert round(100 * (1 - 25 / 48)) == 48
    assert "**48%** is padding" in answers("05")[1]
    assert f"**{1 / (0.2 + 0.8 / 8):.1f}** times" in answers("05")[2]


def test_rows_and_buckets_of_the_family() -> None:
    rows = position_ids(np.array([[1, 0, 5, 1, 7, 2]]), 1)[0]
    assert answers("06")[0].startswith(f"**{', '.join(map(str, rows))}.**")
    buckets = relative_position_bucket(np.array([20, -50, 100]))
    assert re.findall(r"\*\*(\d+)\*\*", answers("06")[1]) == [str(bucket) for bucket in buckets]


def test_a_map_of_twelve_tokens_has_17_numbers(model: MiniLM) -> None:
    config = replace(model.config, model_type="mpnet", padding_idx=1)
    table = np.random.default_rng(0).standard_normal(expected_shapes(config)[RELATIVE_BIAS])
    first = np.asarray(attention_bias({RELATIVE_BIAS: table}, 12))[0]
    assert first.size == 144
    assert answers("06")[2].startswith(f"**{len(np.unique(first))}.**")
