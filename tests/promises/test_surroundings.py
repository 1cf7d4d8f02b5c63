"""Whatever surrounds a call, its result is the same: numpy's error state, threads at the end, no streams."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minilm.util
from minilm import CrossEncoder, MiniLM, activations, encoder, pooling
from minilm.quantization import PRECISIONS
from tests.checkpoints import TINY, MakeCheckpoint, random_parameters, write_cross_encoder

# With these vectors, squares and products overflow, underflow and are not numbers.
_RANDOM = np.random.default_rng(0)
EXTREME = np.concatenate(
    [_RANDOM.normal(size=(4, 8)) * scale for scale in (1.0, 1e-30, 1e-40, 1e30, np.inf, 0.0, 1e-160, 1e160)]
)
ARRAYS = {
    "float64": EXTREME,
    "float32": EXTREME[:12].astype(np.float32),
    "float16": np.clip(EXTREME[:12], -6e4, 6e4).astype(np.float16),
    "integers": np.arange(32).reshape(4, 8),
    "zeros": np.zeros((3, 8), np.float32),
    "huge": np.full((3, 8), 3e38, np.float32),
    "subnormal": np.full((3, 8), 1e-45, np.float32),
    "tiny": (np.random.default_rng(1).normal(size=(4, 8)) * 1e-31).astype(np.float32),
}

MASK = np.array([[1, 1, 1], [1, 1, 0]])
STATES = _RANDOM.normal(size=(2, 3, 4)).astype(np.float32) * np.array([1e-30, 1e-40, 1e38, 1], np.float32)

UTIL = minilm.util

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "normalize_embeddings": UTIL.normalize_embeddings,
    "semantic_search": lambda x: UTIL.semantic_search(x, x, top_k=2),
    "paraphrase_mining_embeddings": UTIL.paraphrase_mining_embeddings,
    "community_detection": lambda x: UTIL.community_detection(x, 0.5, 2),
    "softmax": activations.softmax,
    **{f"activation {name}": function for name, function in activations.ACTIVATIONS.items()},
}
FUNCTIONS |= {
    name: partial(lambda name, x: getattr(UTIL, name)(x, x), name)
    for name in UTIL.__all__
    if name.endswith(("_sim", "_score"))
}
FUNCTIONS |= {
    f"quantize to {precision}": partial(UTIL.quantize_embeddings, precision=precision)
    for precision in PRECISIONS
}


def in_both_states(call: Callable[[], Any]) -> tuple[Any, Any]:
    """What a call returns by default, and in a program that lets numpy raise."""
    with np.errstate(all="ignore"):
        expected = call()
    with np.errstate(all="raise"):
        result = call()
        assert np.geterr() == dict.fromkeys(("divide", "over", "under", "invalid"), "raise")
    return expected, result


@pytest.mark.parametrize("values", ARRAYS.values(), ids=ARRAYS)
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_program_may_let_numpy_raise(function: Callable[[Any], Any], values: np.ndarray) -> None:
    def call() -> object:
        try:
            return function(values)
        except (TypeError, ValueError) as error:  # integers that cannot be quantized
            return str(error)

    expected, result = in_both_states(call)
    np.testing.assert_equal(result, expected)


def test_a_search_among_quantized_embeddings_does_not_raise_for_numpy() -> None:
    pytest.importorskip("faiss", reason="faiss is not installed")
    vectors = (ARRAYS["tiny"] * 1e-13).astype(np.float32)  # subnormal, and so is a 255th of their range

    def search() -> object:
        stored = UTIL.quantize_embeddings(vectors, "uint8")
        options = {"corpus_precision": "uint8", "calibration_embeddings": vectors}
        return UTIL.semantic_search_faiss(vectors, stored, **options)[0]

    np.testing.assert_equal(*in_both_states(search))


@pytest.mark.parametrize("mode", pooling.POOLING)
def test_poolings_do_not_raise_for_numpy(mode: str) -> None:
    for states in (STATES, STATES.astype(np.float64)):
        np.testing.assert_equal(*in_both_states(partial(pooling.POOLING[mode], states, MASK)))
        np.testing.assert_equal(*in_both_states(partial(pooling.token_weights, states[0], mode)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_readable_encoder_does_not_raise_for_numpy(dtype: type) -> None:
    parameters = {
        name: value * dtype(1e-30 if "query" in name else 30)
        for name, value in random_parameters(TINY, 1, dtype).items()
    }
    ids = np.array([[2, 5, 6, 3], [2, 3, 0, 0]])
    np.testing.assert_equal(*in_both_states(partial(encoder.encode, ids, ids != 0, parameters, TINY)))


def test_models_load_and_encode_in_a_program_that_lets_numpy_raise(make_checkpoint: MakeCheckpoint) -> None:
    texts = ["a b c d e f", "", "g " * 9, *("h i" for _ in range(60))]
    directory = make_checkpoint()

    def encode() -> list[Any]:
        model: Any = MiniLM(directory)
        explanation = model.explain("a b", "b c")
        return [
            *(model.encode(texts, precision=precision) for precision in PRECISIONS),
            *(model.encode(texts, pooling=mode, normalize_embeddings=True) for mode in pooling.POOLING),
            model.encode(texts, output_value="token_embeddings"),
            model.encode(texts[:2], output_value=None),
            model.encode_query("a"),
            model.encode_document(["a", "b"]),
            model.similarity(texts[:3], texts[:4]),
            model.similarity_pairwise(texts[:3], texts[:3]),
            explanation.contributions,
            explanation.as_dict(),
        ]

    np.testing.assert_equal(*in_both_states(encode))


@pytest.mark.parametrize("labels", [1, 3])
def test_cross_encoders_score_in_a_program_that_lets_numpy_raise(
    make_checkpoint: MakeCheckpoint, labels: int
) -> None:
    directory = write_cross_encoder(make_checkpoint, labels=labels)
    pairs = [("a b", "c"), ("", "d e"), *(("a", "b") for _ in range(60))]

    def score() -> list[Any]:
        model = CrossEncoder(directory)
        ranks = [model.rank("a", ["b", "c d"])] if labels == 1 else []
        return [model.predict(pairs), model.predict(pairs, apply_softmax=labels > 1), *ranks]

    np.testing.assert_equal(*in_both_states(score))


# What a program does that ends. MODEL is a checkpoint's directory; the result of encode is printed.
TEXTS = """
import sys, threading
import numpy as np
from minilm import MiniLM
MODEL = sys.argv[1]
texts = ["a b", "c " * 9, *(f"d e {i}" for i in range(200))]

def report(model):
    few, many, long = model.encode(texts[:1]), model.encode(texts), model.encode("f g h " * 100)
    assert (few[0] == many[0]).all()
    print(repr((float(many.sum()), float(long.sum()))), flush=True)
"""
ENDINGS = {
    "an ordinary program": "report(MiniLM(MODEL, threads=2))",
    "a thread that goes on after the main thread": """
main = threading.current_thread()
def work():
    main.join()  # the main thread has ended, and with it the executors of concurrent.futures
    import time
    time.sleep(0.2)
    report(MiniLM(MODEL, threads=2))
threading.Thread(target=work).start()
""",
    "a thread with a model of the main thread": """
model = MiniLM(MODEL, threads=2)
def work():
    threading.main_thread().join()
    report(model)
threading.Thread(target=work).start()
""",
    "an exit handler": """
import atexit
atexit.register(lambda: report(MiniLM(MODEL, threads=2)))
""",
    "an exit handler with a model of before": """
import atexit
model = MiniLM(MODEL, threads=2)
model.encode(texts)
atexit.register(report, model)
""",
    "no thread can be started": """
model = MiniLM(MODEL, threads=2)
def refuse(*_, **__):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
report(model)
report_again = MiniLM(MODEL)
""",
    "a fork": """
import os
model = MiniLM(MODEL, threads=2)
model.encode(texts)
child = os.fork()
if child == 0:
    report(model)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
""",
    "an import in a thread": """
def work():
    report(MiniLM(MODEL, threads=2))
thread = threading.Thread(target=work)
thread.start()
thread.join()
""",
}


def run_program(program: str, directory: object, *options: str, **environment: str) -> str:
    """What a program prints that has the definitions above; it must succeed and be silent on stderr."""
    result = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", *options, "-c", TEXTS + program, str(directory)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **environment},
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.fixture
def long_texts(make_checkpoint: MakeCheckpoint) -> Path:
    """A checkpoint whose texts are long enough for the threads to share a single one."""
    return make_checkpoint(config=replace(TINY, max_position_embeddings=600, max_seq_length=512))


def test_a_program_that_ends_gets_the_same_embeddings(long_texts: Path) -> None:
    results = {name: run_program(program, long_texts) for name, program in ENDINGS.items()}
    assert results == dict.fromkeys(ENDINGS, results["an ordinary program"])
    assert results["an ordinary program"].count("\n") == 1


@pytest.mark.parametrize("options", [["-W", "error"], ["-O"], ["-OO"], ["-X", "dev", "-W", "error"]])
def test_the_interpreters_options_change_nothing(long_texts: Path, options: list[str]) -> None:
    program = """
model = MiniLM(MODEL, threads=2)
model.encode(texts, show_progress_bar=False)
print(model.encode("a").tolist())
"""
    expected = run_program(program, long_texts)
    assert run_program(program, long_texts, *options) == expected


# How a program loses its streams, in the words of Python.
STREAMS = {
    "none": "sys.stdout = sys.stderr = None",
    "none from the start": "sys.__stdout__ = sys.__stderr__ = sys.stdin = sys.stdout = sys.stderr = None",
    "closed": "sys.stderr.close(); sys.stdout.close()",
    "closed below": "import os; os.close(1); os.close(2)",
    "a broken pipe": """
import os
read, write = os.pipe()
os.close(read)
os.dup2(write, 2)
""",
    "an object with write only": """
class Writer:
    def write(self, text): pass
    def flush(self): pass
sys.stderr = sys.stdout = Writer()
""",
}


@pytest.mark.parametrize("streams", STREAMS.values(), ids=STREAMS)
def test_a_bar_without_a_stream_is_no_error(make_checkpoint: MakeCheckpoint, streams: str) -> None:
    program = f"""
model = MiniLM(MODEL, threads=2)
from minilm.util import community_detection, paraphrase_mining
result = sys.argv[1] + ".result"
{streams}
try:
    for show in (True, None, False):
        vectors = model.encode(texts, show_progress_bar=show)
        community_detection(vectors, show_progress_bar=bool(show))
        paraphrase_mining(model, texts[:9], show_progress_bar=bool(show))
except BaseException as error:
    vectors = repr(error)
open(result, "w").write(str(vectors.shape if hasattr(vectors, "shape") else vectors))
import os
os._exit(0)  # Python itself complains of broken streams at its end
"""
    directory = make_checkpoint()
    run_program(program, directory)
    assert Path(f"{directory}.result").read_text() == f"(202, {TINY.hidden_size})"
