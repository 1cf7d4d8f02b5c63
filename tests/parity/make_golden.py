"""Make the golden outputs: what sentence-transformers on torch says to each of TEXTS.

    pip install -e ".[golden]"
    python -m tests.parity.make_golden            # writes tests/parity/golden.npz
    python -m tests.parity.make_golden --check    # compares with the committed file instead

The file holds, for n texts of t tokens in all:

    versions            JSON: what made it
    texts_sha256        of the texts, so that a golden file cannot be used with other texts
    input_ids (t,)      all token ids one after another; lengths (n,) says where to cut
    embeddings_float32  (n, 384), the model as everybody runs it
    embeddings_float64  (n, 384), the same weights computed in double precision: the truth
    hidden_states_float32_I, hidden_states_float64_I
                        (7, L, 384) of text I: the embeddings, then each layer's output
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.parity.texts import TEXTS, WITH_HIDDEN_STATES

GOLDEN = Path(__file__).with_name("golden.npz")

# Another machine's torch takes other kernels: float32 moves by some 2e-7 (seen between its AVX-512 and its
# plain kernels), float64 nine orders below.
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


def texts_sha256() -> str:
    """Fingerprint of TEXTS, in order."""
    return hashlib.sha256(json.dumps(TEXTS).encode()).hexdigest()


def make() -> dict[str, npt.NDArray[Any]]:
    """Run the original on every text."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # the checkpoint comes from minilm, checksums and all
    import torch
    from sentence_transformers import SentenceTransformer

    from minilm.hub import find_checkpoint

    checkpoint = find_checkpoint()
    golden: dict[str, npt.NDArray[Any]] = {}
    for name in ("float32", "float64"):
        model = SentenceTransformer(
            str(checkpoint.directory), device="cpu", model_kwargs={"dtype": getattr(torch, name)}
        )
        golden[f"embeddings_{name}"] = model.encode(TEXTS)
        for index in WITH_HIDDEN_STATES:
            features = model.preprocess([TEXTS[index]])
            bert_input = {key: features[key] for key in ("input_ids", "attention_mask", "token_type_ids")}
            with torch.inference_mode():
                output = model[0].auto_model(**bert_input, output_hidden_states=True)
            states = np.stack([state[0].numpy() for state in output.hidden_states])
            golden[f"hidden_states_{name}_{index}"] = states
    ids = [model.preprocess([text])["input_ids"][0].numpy() for text in TEXTS]
    golden["input_ids"] = np.concatenate(ids).astype(np.int32)
    golden["lengths"] = np.array([len(row) for row in ids], dtype=np.int32)
    packages = ("torch", "transformers", "sentence-transformers", "tokenizers", "numpy")
    versions = {package: version(package) for package in packages}
    versions |= {"python": platform.python_version(), "machine": platform.machine()}
    versions["checkpoint"] = f"{checkpoint.repo_id}@{checkpoint.revision}"
    golden["versions"] = np.array(json.dumps(versions))
    golden["texts_sha256"] = np.array(texts_sha256())
    return golden


def differences(made: dict[str, npt.NDArray[Any]], kept: dict[str, npt.NDArray[Any]]) -> list[str]:
    """What a new golden file has that the kept one does not, a line each."""
    faults = [f"{name}: only in one of the two" for name in made.keys() ^ kept.keys()]
    for name in made.keys() & kept.keys():
        if name == "versions":
            continue
        tolerance = next((bound for dtype, bound in TOLERANCE.items() if dtype in name), 0.0)
        if made[name].shape != kept[name].shape:
            faults.append(f"{name}: shape {made[name].shape}, kept {kept[name].shape}")
        elif tolerance == 0.0:
            if not np.array_equal(made[name], kept[name]):
                faults.append(f"{name}: differs")
        elif "hidden_states" in name:
            # hidden states are of the order of 10 where embeddings are of the order of 0.1
            if (error := float(np.abs(made[name] - kept[name]).max())) > 100 * tolerance:
                faults.append(f"{name}: differs by {error:.1e}")
        elif (error := float(np.abs(made[name] - kept[name]).max())) > tolerance:
            faults.append(f"{name}: differs by {error:.1e}")
    return sorted(faults)


def main() -> int:
    """Write the golden file, or compare with it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    check = parser.parse_args().check
    made = make()
    if not check:
        np.savez_compressed(GOLDEN, allow_pickle=False, **made)
        print(
            f"{GOLDEN.name}: {len(TEXTS)} texts, {GOLDEN.stat().st_size / 2**20:.1f} MiB, {made['versions']}"
        )
        return 0
    with np.load(GOLDEN) as kept:
        faults = differences(made, dict(kept))
    print("\n".join(faults) or f"{GOLDEN.name} says what the original says: {len(TEXTS)} texts")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
