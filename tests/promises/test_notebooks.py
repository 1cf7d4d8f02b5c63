"""Every notebook runs from its first cell to its last without a warning, and prints what is committed."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM
from tests.parity.make_notebook_references import REFERENCES, references
from tests.promises.execute_notebooks import METADATA, Notebook, execute, paths, read

for _name in ("nbclient", "nbformat", "ipykernel", "matplotlib"):
    pytest.importorskip(_name, reason=f"{_name} is missing; pip install '.[notebooks]' brings it")

LARGEST_KB = 600
LARGEST_DATA_KB = 2000

every_notebook = pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)


def code_cells(notebook: Notebook) -> list[Notebook]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def answer_cells(notebook: Notebook) -> list[Notebook]:
    """The code in the answers to the exercises, as cells."""
    import nbformat

    blocks = re.findall(r"```python\n(.+?)```", notebook.cells[-1].source, re.DOTALL)
    return [nbformat.v4.new_code_cell(block) for block in blocks]


def varies(cell: Notebook) -> bool:
    """Whether the output of a cell differs between machines (seconds, versions)."""
    return "varies" in cell.metadata.get("tags", [])


def kinds(cell: Notebook) -> list[list[str]]:
    """The outputs of a cell: streams by name, everything else by its MIME types."""
    return [[out.name] if out.output_type == "stream" else sorted(out.data) for out in cell.outputs]


def text_of(cell: Notebook) -> str:
    """All text in the outputs of a cell, without the "<Figure ...>" of a picture."""
    parts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            parts.append(output.text)
        elif not any(kind.startswith("image/") for kind in output.data):
            parts.append(output.data.get("text/plain", ""))
    return "\n".join(parts)


NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d*)?(?:e[-+]?\d+)?")


def differences(committed: str, now: str) -> list[str]:
    """The differences of two texts, where numbers may differ by one unit in the last committed digit.

    BLAS kernels sum in different orders, so a number may be rounded to the other side. Where numpy aligns
    columns, spaces may then differ as well.
    """
    old_words, new_words = (" ".join(NUMBER.sub(" # ", text).split()) for text in (committed, now))
    if old_words != new_words:
        return [f"{old_words!r} is now {new_words!r}"]
    pairs = zip(NUMBER.findall(committed), NUMBER.findall(now), strict=True)
    return [f"{old} is now {new}" for old, new in pairs if not same_number(old, new)]


def same_number(old: str, new: str) -> bool:
    mantissa, _, exponent = old.replace(",", "").partition("e")
    decimals = len(mantissa.partition(".")[2])
    unit = 10.0 ** (int(exponent or 0) - decimals)
    is_whole = not decimals and not exponent
    # an integer is a count or an id; half a unit more, because the sum is binary
    allowed = 0.0 if is_whole else 1.5 * unit
    return abs(float(old.replace(",", "")) - float(new.replace(",", ""))) <= allowed


def test_numbers_may_differ_in_their_last_digit_only() -> None:
    assert not differences("a [0.1234  -1.20]\n 9 e1 5e-07", "a [ 0.1235 -1.21]\n 9 e1 6e-07")
    assert differences("x 0.123", "x 0.125") == ["0.123 is now 0.125"]
    assert differences("1,000 tokens", "1,001 tokens") == ["1,000 is now 1,001"]
    assert differences("one 1", "two 1") == ["'one #' is now 'two #'"]


def test_there_are_notebooks() -> None:
    assert paths()


@every_notebook
def test_committed_notebooks_are_complete_and_small(path: Path) -> None:
    assert path.stat().st_size < LARGEST_KB * 1000
    notebook = read(path)
    assert notebook.metadata == METADATA
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert any("image/png" in kind for cell in cells for kind in kinds(cell))
    assert all(set(cell.metadata) <= {"tags"} for cell in notebook.cells)
    # the machine and the user that executed it
    assert not re.search(r"/(?:home|Users|root|tmp)/|[A-Z]:\\\\", path.read_text("utf-8"))


@every_notebook
def test_notebooks_need_no_file_of_the_checkout_beside_their_own(path: Path) -> None:
    sources = "\n".join(cell.source for cell in code_cells(read(path)))
    assert not re.search(r"\btests\b[./]|[\"']\.\./(?!\.\./shared)", sources)


def test_notebook_04_has_the_golden_outputs() -> None:
    assert REFERENCES.stat().st_size < LARGEST_DATA_KB * 1000
    with np.load(REFERENCES) as file:
        kept = dict(file)
    expected = references()
    assert kept.keys() == expected.keys()
    for name, array in expected.items():
        assert kept[name].dtype == array.dtype, name
        assert np.array_equal(kept[name], array), f"{name}; python -m tests.parity.make_notebook_references"


@pytest.fixture
def ready(model: MiniLM) -> None:  # noqa: ARG001 - loaded here first, should it have to be downloaded
    """Do downloads and builds first, because their progress on stderr would count as a warning."""
    importlib.import_module("matplotlib.font_manager")  # builds the list of fonts the first time


@every_notebook
@pytest.mark.usefixtures("ready")
# ignore Jupyter's warnings in this process; those of the notebook are on its stderr
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_prints_its_committed_outputs(path: Path) -> None:
    notebook = read(path)
    before = code_cells(notebook)
    answers = answer_cells(notebook)  # they run where a reader runs them: after the last cell
    notebook.cells += answers
    after = code_cells(execute(notebook))
    assert all(["stderr"] not in kinds(cell) for cell in after[len(before) :]), path.name
    del after[len(before) :]
    for number, (old, new) in enumerate(zip(before, after, strict=True), start=1):
        where = f"{path.name}, cell {number}"
        assert ["stderr"] not in kinds(new), f"{where} warns: {text_of(new)}"
        assert kinds(new) == kinds(old), f"{where} puts out other things; make notebooks"
        if not varies(old):
            assert differences(text_of(old), text_of(new)) == [], f"{where}; make notebooks"
