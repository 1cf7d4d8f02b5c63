"""How near to the truth minilm is, beside the original: the table of errors.

    python -m benchmarks.exactness [--quick]

It prints the table and writes results/exactness.json, from which benchmarks/report.py fills README and docs.

Everything is measured on the texts of tests/parity, against the golden outputs committed there (which
tests/parity/make_golden.py made); the truth is the original run in float64.
"""

from __future__ import annotations

import json
import warnings

import numpy as np

from benchmarks.harness import begin, options, print_table, write
from minilm import MiniLM, TruncationWarning, encoder
from minilm.checkpoint.weights import load_parameters
from minilm.pooling import mean_pooling, normalize
from minilm.tokenizer import pad
from tests.parity.make_golden import GOLDEN
from tests.parity.texts import TEXTS


def main() -> None:
    """Measure, print, write."""
    arguments = begin(options(__doc__, threads=False, rounds=None))
    with np.load(GOLDEN) as file:
        golden = dict(file)
    texts = TEXTS[:20] if arguments.quick else TEXTS
    original, truth = (golden[f"embeddings_{dtype}"][: len(texts)] for dtype in ("float32", "float64"))
    model = MiniLM()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)  # two of the texts are there to be cut
        ours = model.encode(texts)
    parameters = load_parameters(
        model.checkpoint.directory / "model.safetensors", model.config, dtype=np.float64
    )
    ours_float64 = np.empty_like(truth)
    token_ids = np.split(golden["input_ids"], np.cumsum(golden["lengths"])[:-1])
    for row, ids in enumerate(token_ids[: len(texts)]):
        input_ids, mask = pad([ids.tolist()])
        hidden_states = encoder.encode(input_ids, mask, parameters, model.config)
        ours_float64[row] = normalize(mean_pooling(hidden_states, mask))[0]

    versions = json.loads(str(golden["versions"]))
    original_is = f"sentence-transformers {versions['sentence-transformers']} on torch {versions['torch']}"
    results = {}
    for what, a, b in (
        ("`MiniLM.encode`, float32, against the original in float32", ours, original),
        ("`MiniLM.encode`, float32, against the truth", ours, truth),
        ("the original, float32, against the truth", original, truth),
        ("`encoder.py`, float64, against the truth", ours_float64, truth),
    ):
        error = np.abs(a.astype(np.float64) - b)
        results[what] = {"largest": float(error.max()), "mean": float(error.mean())}
    print(f"{len(texts)} texts; the original is {original_is}\n")
    header = ["error in any of 384 components", "largest", "mean"]
    print_table(header, [[what, f"{e['largest']:.1e}", f"{e['mean']:.1e}"] for what, e in results.items()])
    write("exactness", arguments, results, texts=len(texts), original=original_is)


if __name__ == "__main__":
    main()
