"""Make the second golden file: what ONNX Runtime says to each of TEXTS, in float32 and one text at a time.

    pip install -e ".[golden]"
    python -m tests.parity.make_golden_onnxruntime            # writes tests/parity/golden_onnxruntime.npz
    python -m tests.parity.make_golden_onnxruntime --check    # compares with the committed file instead

A file of its own, for the first need not be made again when ONNX Runtime changes. It holds

    versions, texts_sha256      as in golden.npz
    embeddings_float32          (n, 384), mean of the tokens' vectors scaled to length 1
    hidden_states_float32_I     (7, L, 384) of text I: the embeddings, then each layer's output

The network is exported from torch with every layer's hidden states as outputs, and run with all of ONNX
Runtime's optimizations; token ids come from golden.npz.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.parity.make_golden import GOLDEN, differences, texts_sha256
from tests.parity.texts import TEXTS, WITH_HIDDEN_STATES

GOLDEN_ONNXRUNTIME = Path(__file__).with_name("golden_onnxruntime.npz")


def make() -> dict[str, npt.NDArray[Any]]:
    """Run ONNX Runtime on every text."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # the checkpoint comes from minilm, checksums and all
    import onnxruntime

    from minilm.hub import find_checkpoint
    from minilm.pooling import mean_pooling, normalize

    checkpoint = find_checkpoint()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(
        export(checkpoint.directory), options, providers=["CPUExecutionProvider"]
    )
    with np.load(GOLDEN) as file:
        token_ids = np.split(file["input_ids"], np.cumsum(file["lengths"])[:-1])
    golden: dict[str, npt.NDArray[Any]] = {}
    embeddings = np.empty((len(TEXTS), 384), np.float32)
    for index, row in enumerate(token_ids):
        ids = row[None].astype(np.int64)  # (1, L)
        (states,) = session.run(
            None,
            {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)},
        )  # (7, 1, L, E)
        embeddings[index] = normalize(mean_pooling(states[-1], np.ones_like(ids)))[0]
        if index in WITH_HIDDEN_STATES:
            golden[f"hidden_states_float32_{index}"] = states[:, 0]
    golden["embeddings_float32"] = embeddings
    versions = {package: version(package) for package in ("onnxruntime", "onnx", "torch", "numpy")}
    versions |= {"python": platform.python_version(), "machine": platform.machine()}
    versions["checkpoint"] = f"{checkpoint.repo_id}@{checkpoint.revision}"
    golden["versions"] = np.array(json.dumps(versions))
    golden["texts_sha256"] = np.array(texts_sha256())
    return golden


def export(directory: Path) -> bytes:
    """The encoder as an ONNX file whose one output is all hidden states, (7, B, L, E)."""
    import torch
    from transformers import BertModel

    bert = BertModel.from_pretrained(str(directory), attn_implementation="eager", add_pooling_layer=False)

    class HiddenStates(torch.nn.Module):  # type: ignore[misc] # no types in torch
        """BertModel with the three arguments that the exporter may pass by position."""

        def __init__(self) -> None:
            super().__init__()
            self.bert = bert.eval()

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
            output = self.bert(
                input_ids=input_ids,
                attention_mask=attention_mask,
                token_type_ids=token_type_ids,
                output_hidden_states=True,
            )
            return torch.stack(output.hidden_states)

    names = ["input_ids", "attention_mask", "token_type_ids"]
    ids = torch.ones((2, 7), dtype=torch.int64)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # the exporter's, of what it takes for constant: the results are compared
        warnings.simplefilter("ignore")
        torch.onnx.export(
            HiddenStates().eval(),
            (ids, torch.ones_like(ids), torch.zeros_like(ids)),
            str(file := Path(folder) / "encoder.onnx"),
            input_names=names,
            output_names=["hidden_states"],
            dynamic_axes={name: {0: "batch", 1: "length"} for name in names}
            | {"hidden_states": {1: "batch", 2: "length"}},
            opset_version=17,
            dynamo=False,
        )
        return file.read_bytes()


def main() -> int:
    """Write the golden file, or compare with it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    check = parser.parse_args().check
    made = make()
    name = GOLDEN_ONNXRUNTIME.name
    if not check:
        np.savez_compressed(GOLDEN_ONNXRUNTIME, allow_pickle=False, **made)
        size = GOLDEN_ONNXRUNTIME.stat().st_size / 2**20
        print(f"{name}: {len(TEXTS)} texts, {size:.1f} MiB, {made['versions']}")
        return 0
    with np.load(GOLDEN_ONNXRUNTIME) as kept:
        faults = differences(made, dict(kept))
    print("\n".join(faults) or f"{name} says what ONNX Runtime says: {len(TEXTS)} texts")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
