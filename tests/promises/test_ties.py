"""Of equal texts the earlier row comes first, by any kernels of BLAS.

Their vectors differ in the last bits, because they were encoded beside other texts. So do their scores, by
the place of a row in a block.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import minilm as minilm_package
from minilm.fast.blas import blas_info

KERNELS = ("Nehalem", "Sandybridge", "Haswell", "Zen", "SkylakeX")

CHILD = """
import json, random, sys
from pathlib import Path
import numpy as np
from minilm import MiniLM, util
from minilm.corpus import index as corpus_index
from minilm.fast.blas import blas_info

choose = random.Random(0)
same = ["The comet passed the sun.", "Simmer the onions.", "A text about cats, dogs and a longer rest of it."]
others = [f"note {i} of {'word ' * (i % 40)}" for i in range(300)]
texts = [choose.choice(same) if choose.random() < 0.5 else other for other in others]
model, pieces, at = MiniLM(), [], 0
while at < len(texts):  # in company of every size
    size = choose.randint(1, 60)
    pieces.append(model.encode(texts[at : at + size], batch_size=choose.choice([1, 7, 32])))
    at += size
vectors = np.concatenate(pieces)
path = Path(sys.argv[1])
np.save(path / "index.npy", vectors)
np.save(path / "half.npy", vectors.astype(np.float16))
queries = model.encode([same[i % 3] for i in range(256)])
expected = [[i for i, text in enumerate(texts) if text == same[j % 3]] for j in range(256)]
wrong = []
for k in (1, 10, 30):
    for count in (1, 3, 256):
        asked = queries[:count]
        found = {}
        for block in (50, 16384):
            corpus_index.BLOCK_ROWS = block
            for name in ("index", "half"):
                hits = corpus_index.Index(path / f"{name}.npy").search(asked, k)
                found[f"{name} {block}"] = [[hit.row for hit in row] for row in hits]
            for function in (util.cos_sim, util.dot_score):
                hits = util.semantic_search(
                    asked, vectors, top_k=k, corpus_chunk_size=block, score_function=function
                )
                found[f"{function.__name__} {block}"] = [[hit["corpus_id"] for hit in row] for row in hits]
        first = [rows[:k] for rows in expected[:count]]
        wrong += [f"{name}, {count} queries, k = {k}" for name, rows in found.items() if rows != first]
sizes = [len(rows) for rows in expected[:3]]
print(json.dumps({"kernel": blas_info().kernel, "wrong": wrong, "sizes": sizes}))
"""


@pytest.mark.parametrize("kernel", [None, *KERNELS])
def test_of_equal_texts_the_earlier_comes_first(kernel: str | None, tmp_path: Path) -> None:
    if kernel and blas_info().library != "openblas":
        pytest.skip("numpy does not run on OpenBLAS")
    environment = {**os.environ, "PYTHONPATH": str(Path(minilm_package.__file__).parents[1])}
    if kernel:
        environment["OPENBLAS_CORETYPE"] = kernel
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    bare = [sys.executable, "-c", "import numpy as np; np.ones((300, 300)) @ np.ones((300, 300))"]
    if subprocess.run(bare, env=environment, check=False).returncode:
        pytest.skip(f"numpy by itself crashes on OpenBLAS's {kernel} kernels here")
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    if kernel and found["kernel"] != kernel:
        pytest.skip(f"this OpenBLAS has no {kernel} kernels, and takes those for {found['kernel']}")
    assert min(found["sizes"]) > 30  # k cuts through each group
    assert found["wrong"] == []
