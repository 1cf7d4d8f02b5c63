"""Execute the notebooks, each from its first cell to its last in a fresh kernel, with minimal metadata.

``python -m tests.promises.execute_notebooks`` does so in place, which makes their outputs. Names, or the
beginnings of names (``01``), select notebooks.
"""

from __future__ import annotations

import base64
import io
import sys
import time
from pathlib import Path
from typing import Any

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"

Notebook = Any  # nbformat's NotebookNode: nested dictionaries with attributes

# No version of Python, path or state of an extension, because these differ between machines.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_SECONDS_A_CELL = 600  # a limit for a kernel that hangs; no cell takes so long


def paths() -> list[Path]:
    """Every notebook, in reading order."""
    return sorted(NOTEBOOKS.glob("*.ipynb"))


def read(path: Path) -> Notebook:
    """Read a notebook."""
    import nbformat

    return nbformat.read(path, as_version=4)


def execute(notebook: Notebook) -> Notebook:
    """Execute the notebook in its own directory, and return it with its new outputs.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell raises; the message has the cell and the traceback.
    """
    import nbformat
    from nbclient import NotebookClient

    fresh = nbformat.from_dict(notebook)
    for cell in fresh.cells:
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        fresh,
        timeout=_SECONDS_A_CELL,
        kernel_name=METADATA["kernelspec"]["name"],
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute()
    fresh.metadata = nbformat.from_dict(METADATA)
    return fresh


def in_256_colours(png: str) -> str:
    """A picture in base64 with a palette instead of 32 bits per pixel: it looks the same at half the size."""
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    with io.BytesIO() as smaller:
        picture.quantize(256, dither=Image.Dither.NONE).save(smaller, "PNG", optimize=True)
        return base64.b64encode(smaller.getvalue()).decode("ascii")


def execute_in_place(path: Path) -> None:
    """Execute a notebook and store it with its outputs, completely or not at all."""
    import nbformat

    notebook = execute(read(path))
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = in_256_colours(output.data["image/png"])
    partial = path.with_suffix(".partial")
    try:
        nbformat.write(notebook, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def main(names: list[str]) -> None:
    """Execute the notebooks whose names begin with one of ``names``, or all."""
    unknown = [name for name in names if not any(path.name.startswith(name) for path in paths())]
    if unknown:
        raise SystemExit(f"no notebook's name begins with {', '.join(unknown)}")
    for path in paths():
        if not names or path.name.startswith(tuple(names)):
            start = time.perf_counter()
            execute_in_place(path)
            print(f"{path.name}: {time.perf_counter() - start:.0f} s, {path.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main(sys.argv[1:])
