"""Run examples of sentence-transformers, with the library itself and with minilm in its place.

    python -m tests.parity.peer_examples CHECKOUT

CHECKOUT is a clone of https://github.com/huggingface/sentence-transformers. Each example must print the same,
up to times and the last digits of numbers. Small random models stand in for those that they download (see
peer_hub.py), made sentences for the data sets, and a plain splitter for NLTK's. Of ``minilm`` only the import
is used: ``install()`` runs before the example.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from itertools import zip_longest
from pathlib import Path

from tests.parity.peer_hub import fill

ROOT = Path(__file__).resolve().parents[2]
APPLICATIONS = "sentence_transformer/applications"
EXAMPLES = [
    f"{APPLICATIONS}/computing-embeddings/computing_embeddings.py",
    f"{APPLICATIONS}/semantic-search/semantic_search.py",
    f"{APPLICATIONS}/clustering/kmeans.py",
    f"{APPLICATIONS}/clustering/agglomerative.py",
    f"{APPLICATIONS}/clustering/fast_clustering.py",
    f"{APPLICATIONS}/text-summarization/text_summarization.py",
    f"{APPLICATIONS}/retrieve_rerank/in_document_search_crossencoder.py",
    f"{APPLICATIONS}/embedding-quantization/semantic_search_faiss.py",
    f"{APPLICATIONS}/embedding-quantization/semantic_search_usearch.py",
    f"{APPLICATIONS}/embedding-quantization/semantic_search_recommended.py",
    "cross_encoder/applications/cross_encoder_usage.py",
    "cross_encoder/applications/cross_encoder_reranking.py",
]
# Paraphrase mining has no program among the examples: the documentation shows these lines.
MINING = """
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import paraphrase_mining
model = SentenceTransformer("all-MiniLM-L6-v2")
sentences = sorted({*load_dataset("", split="train")["sentence1"]})[:60]
for score, i, j in paraphrase_mining(model, sentences)[:10]:
    print(f"{sentences[i]} | {sentences[j]} | {score:.4f}")
"""

STAND_INS = """
import random, re, runpy, sys, types
import numpy as np
import datasets

np.random.seed(0)
words = random.Random(0)
PARTS = [["How do I", "Why should I", "When can I"], ["learn", "sell", "repair", "paint"],
         ["a house", "an old car", "the piano", "my phone", "a garden"],
         ["in Spain?", "this year?", "at home?"]]
def sentence():
    return " ".join(words.choice(part) for part in PARTS)
def load_dataset(*args, **kwargs):
    names = ["sentence1", "sentence2", "answer", "query"]
    rows = {name: [sentence() for _ in range(150)] for name in names}
    return datasets.Dataset.from_dict({**{n: rows[n] for n in ("answer", "query")}, **{
        n: rows[n] for n in ("sentence1", "sentence2")}, "label": [0] * 150}).select_columns(
        ["answer", "query"] if args and "natural" in args[0] else ["sentence1", "sentence2", "label"])
datasets.load_dataset = load_dataset
nltk = types.ModuleType("nltk")
nltk.sent_tokenize = lambda text: re.split(r"(?<=[.!?])\\s+", text)
sys.modules["nltk"] = nltk
"""
INSTALL = "from minilm.integrations.sentence_transformers import install\ninstall()\n"
TIME = re.compile(r"\d+\.\d+ ?(?:s|sec|seconds)\b")
NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]\d+)?")
# The examples print four digits or more of numbers around 1.
TOLERANCE = 2e-4


def output(source: str, folder: Path, environment: dict[str, str], *, is_minilm: bool) -> str:
    """What a program prints, without times. It gets one question on its standard input."""
    folder.mkdir(parents=True)
    command = [sys.executable, "-c", STAND_INS + (INSTALL if is_minilm else "") + source]
    run = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        input="How do I paint a garden?\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode and "EOFError" not in run.stderr:  # some ask for one question after the other
        return run.stderr
    return TIME.sub("TIME", run.stdout)


def is_same(first: str, second: str) -> bool:
    """Whether two outputs agree, up to the last digits of their numbers."""
    numbers = [[float(n) for n in NUMBER.findall(text)] for text in (first, second)]
    texts = [NUMBER.sub("N", text).split() for text in (first, second)]
    return texts[0] == texts[1] and all(
        a is not None and b is not None and abs(a - b) <= TOLERANCE for a, b in zip_longest(*numbers)
    )


def main() -> int:
    """Run every example twice."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path, help="a clone of sentence-transformers")
    examples = parser.parse_args().checkout.resolve() / "examples"
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "hub")
        environment = {
            **os.environ,
            "HF_HUB_CACHE": str(folder / "hub"),
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": str(ROOT),
        }
        programs = {"paraphrase mining": MINING}
        for example in EXAMPLES:
            path = examples / example
            start = f"sys.path.insert(0, {str(path.parent)!r})\n"
            programs[path.stem] = f"{start}runpy.run_path({str(path)!r}, run_name='__main__')\n"
        for title, source in programs.items():
            expected, actual = (
                output(source, folder / title / str(flag), environment, is_minilm=flag)
                for flag in (False, True)
            )
            is_failing = "Traceback" in expected  # with the library itself
            is_right = is_same(expected, actual)
            if is_failing:
                is_right = expected.splitlines()[-1] == actual.splitlines()[-1]
            failed += not is_right
            result = "fails with both" if is_failing else "the same"
            print(f"{title}: {result if is_right else 'DIFFERENT'} ({len(expected.splitlines())} lines)")
            if not is_right:
                print(expected[-1500:], actual[-1500:], sep="\n----- minilm:\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
