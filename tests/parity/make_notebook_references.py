"""Copy what notebook 04 compares with from the golden outputs, so that it runs without the tests' folder.

    python -m tests.parity.make_notebook_references            # writes notebooks/data/references.npz

The file holds, for n texts of t tokens in all:

    texts                 JSON: the texts
    versions              JSON: what made their results
    input_ids (t,)        all token ids one after another; lengths (n,) says where to cut
    truth (n, 384)        the original's embeddings in float64
    torch, onnx_runtime   (n, 384), the embeddings of both in float32
    with_hidden_states    the texts, by index, of which there are hidden states
    truth_I, torch_I, onnx_runtime_I
                          (7, L, 384) of text I: the embeddings, then each layer's output
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.parity.make_golden import GOLDEN
from tests.parity.texts import TEXTS, WITH_HIDDEN_STATES

REFERENCES = Path(__file__).resolve().parents[2] / "notebooks" / "data" / "references.npz"
SHOWN = WITH_HIDDEN_STATES[:2]  # the third is long: it would double the file


def references() -> dict[str, npt.NDArray[Any]]:
    """What the file should hold, from the golden outputs as they are."""
    with np.load(GOLDEN) as file:
        original = dict(file)
    with np.load(GOLDEN.with_name("golden_onnxruntime.npz")) as file:
        onnx_runtime = dict(file)
    versions = json.loads(str(original["versions"])) | json.loads(str(onnx_runtime["versions"]))
    made = {
        "texts": np.array(json.dumps(TEXTS)),
        "versions": np.array(json.dumps(versions)),
        "input_ids": original["input_ids"],
        "lengths": original["lengths"],
        "with_hidden_states": np.array(SHOWN),
    }
    for end, name in [("", "embeddings_{}"), *((f"_{i}", f"hidden_states_{{}}_{i}") for i in SHOWN)]:
        made[f"truth{end}"] = original[name.format("float64")]
        made[f"torch{end}"] = original[name.format("float32")]
        made[f"onnx_runtime{end}"] = onnx_runtime[name.format("float32")]
    return made


def main() -> None:
    """Write the file."""
    np.savez_compressed(REFERENCES, allow_pickle=False, **references())
    print(f"{REFERENCES.name}: {len(TEXTS)} texts, {REFERENCES.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
