"""The numbers of a text depend on the text alone, not on the other texts of the call.

Under OpenBLAS's AVX-512 kernels they are the same bit for bit. Its other kernels round a sum by the position
of its row in the matrix, so the last bits differ.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM, TruncationWarning
from minilm.fast.blas import has_small_matrix_kernels
from minilm.fast.engine import SHARED_TOKENS
from minilm.pooling import Pooling
from tests.parity.texts import PLAIN, TEXTS, of_length

# Three units in the last place of 0.25; the largest components of an embedding are of that size.
SAME = 3e-7
# Hidden states reach 5, so their last place is worth 16 times as much. And pooling, which averages the errors
# of a text's tokens, has not happened yet.
SAME_STATES = 1e-5

Differences = dict[str, float]
Vectors = list[np.ndarray]


def word_salads(count: int, seed: int) -> list[str]:
    """Texts of 1 to 120 random words. Some are so long that threads share them."""
    random = np.random.default_rng(seed)
    words = sorted({word for text in PLAIN for word in text.split()})
    return [" ".join(random.choice(words, length)) for length in random.integers(1, 121, count)]


def largest_difference(ours: Vectors | np.ndarray, theirs: Vectors | np.ndarray) -> float:
    pairs = list(zip(ours, theirs, strict=True))
    assert all(a.shape == b.shape and np.isfinite(a).all() for a, b in pairs)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def at_once(calls: list[Callable[[], Vectors]]) -> list[Vectors]:
    """The results of calls that run at the same time."""
    results: dict[int, Vectors] = {}
    together = threading.Barrier(len(calls))

    def call(number: int) -> None:
        together.wait()
        results[number] = calls[number]()

    users = [threading.Thread(target=call, args=(number,)) for number in range(len(calls))]
    for user in users:
        user.start()
    for user in users:
        user.join()
    return [results[number] for number in range(len(calls))]


def differences() -> Differences:
    """The differences between each way to encode some texts and encoding each text alone on one thread."""
    texts = [*TEXTS, *word_salads(30, seed=1), *map(of_length, range(SHARED_TOKENS - 2, 257, 24))]
    order = np.random.default_rng(2).permutation(len(texts))
    shuffled = [texts[i] for i in order]
    model = MiniLM(threads=1)
    alone = [model.encode(text) for text in texts]
    states_alone = [model.encode(text, output_value="token_embeddings") for text in texts]
    by_length = sorted(range(len(texts)), key=lambda i: len(states_alone[i]))
    # a single short text on more threads than cores is slow, so two texts are enough
    first_long = sum(len(states) < SHARED_TOKENS for states in states_alone)
    few = [by_length[first_long // 2], *by_length[first_long - 1 :: 9]]

    found: Differences = {}
    for threads in (1, 2, 3, 4):
        model.threads = threads
        found[f"in a batch, {threads} threads"] = largest_difference(model.encode(texts), alone)
        found[f"alone, {threads} threads"] = largest_difference(
            [model.encode(texts[i]) for i in few], [alone[i] for i in few]
        )
        if threads in (1, 4):
            continue
        found[f"token embeddings in a batch, {threads} threads"] = largest_difference(
            model.encode(texts, output_value="token_embeddings"), states_alone
        )
        found[f"token embeddings alone, {threads} threads"] = largest_difference(
            [model.encode(texts[i], output_value="token_embeddings") for i in few],
            [states_alone[i] for i in few],
        )
    model.threads = 2
    for batch_size in (1, 7, 100):
        found[f"batch_size {batch_size}"] = largest_difference(
            model.encode(texts, batch_size=batch_size), alone
        )
    found["another order"] = largest_difference(model.encode(shuffled), [alone[i] for i in order])
    found["beside others"] = largest_difference(model.encode(texts[:30]), alone[:30])
    found["streamed"] = largest_difference(model.encode(text for text in texts), alone)
    first, second = at_once([lambda: list(model.encode(texts)), lambda: list(model.encode(shuffled))])
    found["in two user threads at once"] = max(
        largest_difference(first, alone), largest_difference(second, [alone[i] for i in order])
    )
    first, second = at_once(
        [lambda: [model.encode(texts[i]) for i in few], lambda: [model.encode(texts[i]) for i in few[::-1]]]
    )
    found["alone in two user threads at once"] = max(
        largest_difference(first, [alone[i] for i in few]),
        largest_difference(second, [alone[i] for i in few[::-1]]),
    )
    return found


WAYS = [
    *(f"{how}, {threads} threads" for how in ("in a batch", "alone") for threads in (1, 2, 3, 4)),
    *(f"token embeddings {how}, {threads} threads" for how in ("in a batch", "alone") for threads in (2, 3)),
    *(f"batch_size {batch_size}" for batch_size in (1, 7, 100)),
    "another order",
    "beside others",
    "streamed",
    "in two user threads at once",
    "alone in two user threads at once",
]


def print_differences() -> None:
    """Print the differences as JSON if the kernels are AVX-512; the tests start this as a process."""
    warnings.simplefilter("ignore", TruncationWarning)
    np.ones((4, 4)) @ np.ones((4, 4))
    print(json.dumps(differences() if has_small_matrix_kernels() else None))


@pytest.fixture(scope="module")
def under_avx512(request: pytest.FixtureRequest) -> Differences:
    """The differences in a process whose OpenBLAS chooses the kernels for this CPU."""
    chosen_by_hand = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
    if has_small_matrix_kernels() and not any(name in os.environ for name in chosen_by_hand):
        here: Differences = request.getfixturevalue("as_it_is")
        return here
    result = subprocess.run(
        [sys.executable, "-c", "from tests.promises.test_invariance import print_differences as p; p()"],
        cwd=Path(__file__).parents[2],
        env={name: value for name, value in os.environ.items() if name not in chosen_by_hand},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: Differences | None = json.loads(result.stdout)
    if found is None:
        pytest.skip("numpy does not run on OpenBLAS's AVX-512 kernels on this machine")
    return found


@pytest.fixture(scope="module")
def as_it_is() -> Differences:
    """The differences in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        return differences()


@pytest.mark.parametrize("way", WAYS)
def test_under_avx512_a_text_has_the_same_bits_as_alone(under_avx512: Differences, way: str) -> None:
    assert under_avx512[way] == 0


@pytest.mark.parametrize("way", WAYS)
def test_under_any_kernel_a_text_has_the_same_numbers_as_alone(as_it_is: Differences, way: str) -> None:
    bound = SAME_STATES if way.startswith("token") else SAME
    assert as_it_is[way] <= (0 if has_small_matrix_kernels() else bound)


def test_every_way_is_tested(as_it_is: Differences) -> None:
    assert set(as_it_is) == set(WAYS)


@pytest.mark.parametrize(
    "pooling", ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
)
def test_a_later_pack_leaves_an_embedding_as_it_was(pooling: Pooling, model: MiniLM) -> None:
    unscaled = MiniLM(model.checkpoint.directory)
    unscaled.normalize = False
    texts = PLAIN[:30]
    alone = [unscaled.encode(text, pooling=pooling) for text in texts]
    in_packs = unscaled.encode(texts, pooling=pooling, batch_size=1)
    # a sum over the up to 50 tokens of a text, or one token's own error: neither averaged nor scaled
    assert largest_difference(in_packs, alone) <= (0 if has_small_matrix_kernels() else 50 * SAME_STATES)
