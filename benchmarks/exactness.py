"""How near to the truth minilm is, beside the original: the README's table of errors.

    python -m benchmarks.exactness

Everything is measured on the texts of tests/parity, against the golden outputs committed there (which
tests/parity/make_golden.py made); the truth is the original run in float64.
"""

from __future__ import annotations

import json
import warnings

import numpy as np

from minilm import MiniLM, TruncationWarning, encoder
from minilm.blas import blas_info
from minilm.pooling import mean_pooling, normalize
from minilm.tokenizer import pad
from minilm.weights import load_parameters
from tests.parity.make_golden import GOLDEN
from tests.parity.texts import TEXTS


def main() -> None:
    """Print the table."""
    with np.load(GOLDEN) as file:
        golden = dict(file)
    original, truth = golden["embeddings_float32"], golden["embeddings_float64"]
    model = MiniLM()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)  # two of the texts are there to be cut
        ours = model.encode(TEXTS)
    parameters = load_parameters(
        model.checkpoint.directory / "model.safetensors", model.config, dtype=np.float64
    )
    ours_float64 = np.empty_like(truth)
    for row, ids in enumerate(np.split(golden["input_ids"], np.cumsum(golden["lengths"])[:-1])):
        input_ids, mask = pad([ids.tolist()])
        hidden_states = encoder.encode(input_ids, mask, parameters, model.config)
        ours_float64[row] = normalize(mean_pooling(hidden_states, mask))[0]

    versions = json.loads(str(golden["versions"]))
    print(
        f"{len(TEXTS)} texts; the original is sentence-transformers {versions['sentence-transformers']} on "
        f"torch {versions['torch']}; here {blas_info()}\n"
    )
    print("| error in any of 384 components | largest | mean |")
    print("|---|---|---|")
    for what, a, b in (
        ("`MiniLM.encode`, float32, against the original in float32", ours, original),
        ("`MiniLM.encode`, float32, against the truth", ours, truth),
        ("the original, float32, against the truth", original, truth),
        ("`encoder.py`, float64, against the truth", ours_float64, truth),
    ):
        error = np.abs(a.astype(np.float64) - b)
        print(f"| {what} | {error.max():.1e} | {error.mean():.1e} |")


if __name__ == "__main__":
    main()
