"""How near to the truth minilm and the original are on 10,000 sentences.

    python -m benchmarks.sentences [--quick]

The texts are the distinct sentences of the STS Benchmark, and neighbours among them joined in pairs until
there are 10,000. The truth is ``encoder.py`` in float64, which ``benchmarks.exactness`` compares with the
original in float64. The original takes its texts in batches of 32, padded; minilm in packs.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from benchmarks.harness import begin, options, print_table, sts_sentences, write
from benchmarks.peers import SentenceTransformers
from minilm import MiniLM, encoder
from minilm._arrays import Float64Array
from minilm.checkpoint.weights import load_parameters
from minilm.pooling import mean_pooling, normalize
from minilm.tokenizer import pad

SENTENCES = 10_000
BATCH = 32


def main() -> None:
    """Measure, print, write."""
    arguments = begin(options(__doc__, rounds=None))
    distinct = [*dict.fromkeys([*sts_sentences("dev"), *sts_sentences("test")])]
    joined = [f"{a} {b}" for a, b in pairwise(distinct)]
    texts = [*distinct, *joined][: 200 if arguments.quick else SENTENCES]
    model = MiniLM(threads=arguments.threads)
    true = truth(model, texts)
    original = SentenceTransformers(model.checkpoint.directory, arguments.threads)
    results = {}
    for name, embeddings in (
        ("`MiniLM.encode`, float32", model.encode(texts)),
        ("the original, float32", original.encode(texts, BATCH)),
    ):
        error = np.abs(embeddings - true)
        results[name] = {
            "largest": float(error.max()),
            "rms": float(np.sqrt((error**2).mean())),
            "of_each_text": float((error.max(1)).mean()),
        }
    header = ["error in any of 384 components", "largest", "root mean square", "mean of each text's largest"]
    print_table(
        header, [[name, *(f"{value:.2e}" for value in row.values())] for name, row in results.items()]
    )
    write("sentences", arguments, results, texts=len(texts))


def truth(model: MiniLM, texts: list[str]) -> Float64Array:
    """Embeddings (n, 384) by ``encoder.py`` in float64."""
    parameters = load_parameters(
        model.checkpoint.directory / "model.safetensors", model.config, dtype=np.float64
    )
    token_ids = [list(ids) for ids in model.pipeline.tokenize_window(texts).input_ids]
    order = np.argsort([len(ids) for ids in token_ids])
    embeddings = np.empty((len(texts), model.config.hidden_size))
    for start in range(0, len(texts), BATCH):
        rows = order[start : start + BATCH]
        input_ids, mask = pad([token_ids[row] for row in rows])
        hidden_states = encoder.encode(input_ids, mask, parameters, model.config)
        embeddings[rows] = normalize(mean_pooling(hidden_states, mask))
    return embeddings


if __name__ == "__main__":
    main()
