"""engine.py: every text has its result at its place, whatever the packs and the threads."""

from __future__ import annotations

import threading
import warnings
from dataclasses import replace

import numpy as np
import pytest

from minilm import CheckpointError, encoder
from minilm._arrays import Float32Array
from minilm.fast.engine import SHARED_TOKENS, Engine
from minilm.fast.parameters import pack_parameters
from minilm.heads import token_vectors
from tests.checkpoints import TINY, random_parameters

CONFIG = replace(TINY, max_position_embeddings=3 * SHARED_TOKENS)
PARAMETERS = random_parameters(CONFIG, 1)
RANDOM = np.random.default_rng(2)
LENGTHS = [5, 1, 9, 5, 2, 3 * SHARED_TOKENS, 5, 1]
TEXTS = [RANDOM.integers(0, CONFIG.vocab_size, length).tolist() for length in LENGTHS]
TYPES = [RANDOM.integers(0, 2, length).tolist() for length in LENGTHS]

# float32 against float64: two layers of numbers up to 5, each rounded to 5 * 6e-8
BOUND = 5e-6


def truth(types: list[list[int]] | None = None) -> list[np.ndarray]:
    """Hidden states (L, E) of each text alone, by the plain encoder in double precision."""
    return [
        encoder.encode(
            np.array([ids]),
            np.ones((1, len(ids)), int),
            PARAMETERS,
            CONFIG,
            token_type_ids=None if types is None else np.array([types[row]]),
        )[0]
        for row, ids in enumerate(TEXTS)
    ]


def engine(threads: int) -> Engine:
    return Engine(pack_parameters(PARAMETERS, CONFIG), threads, "weights.safetensors")


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("pack_tokens", [1, 8, 10_000])
def test_results_stand_in_the_order_of_the_texts(threads: int, pack_tokens: int) -> None:
    results = engine(threads).run(TEXTS, token_vectors, pack_tokens=pack_tokens)
    for result, expected in zip(results, truth(), strict=True):
        np.testing.assert_allclose(result, expected, rtol=0, atol=BOUND)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_text_alone_has_its_result_as_well(threads: int) -> None:
    for row, expected in enumerate(truth(TYPES)):  # one of them is long enough for threads to share
        [result] = engine(threads).run(
            [TEXTS[row]], token_vectors, pack_tokens=1024, token_type_ids=[TYPES[row]]
        )
        np.testing.assert_allclose(result, expected, rtol=0, atol=BOUND)


@pytest.mark.parametrize("threads", [1, 2])
def test_token_types_go_with_their_texts(threads: int) -> None:
    results = engine(threads).run(TEXTS, token_vectors, pack_tokens=16, token_type_ids=TYPES)
    for result, expected in zip(results, truth(TYPES), strict=True):
        np.testing.assert_allclose(result, expected, rtol=0, atol=BOUND)
    without = engine(threads).run(TEXTS, token_vectors, pack_tokens=16)
    assert any(np.abs(a - b).max() > 0.1 for a, b in zip(results, without, strict=True))


def test_nothing_to_encode_is_nothing_done() -> None:
    assert engine(2).run([], token_vectors, pack_tokens=1024) == []


def test_the_head_gets_texts_of_equal_length_from_one_thread_at_a_time() -> None:
    shapes, inside = [], threading.Lock()

    def finish(hidden_states: Float32Array) -> Float32Array:
        assert inside.acquire(blocking=False), "two threads at a time"
        shapes.append(hidden_states.shape)
        inside.release()
        return hidden_states[:, 0]

    results = engine(3).run(TEXTS, finish, pack_tokens=4)
    assert sum(texts for texts, _, _ in shapes) == len(TEXTS)
    assert sorted(length for texts, length, _ in shapes for _ in range(texts)) == sorted(LENGTHS)
    assert {width for _, _, width in shapes} == {CONFIG.hidden_size}
    assert [result.shape for result in results] == [(CONFIG.hidden_size,)] * len(TEXTS)


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1]])
def test_progress_adds_up_to_the_number_of_texts(texts: list[list[int]]) -> None:
    steps: list[int] = []
    engine(2).run(texts, token_vectors, pack_tokens=4, advance=steps.append)
    assert sum(steps) == len(texts)
    assert min(steps) >= 1


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1], TEXTS[5:6]])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_result_that_is_not_finite_names_the_weights_and_warns_of_nothing(
    texts: list[list[int]], threads: int
) -> None:
    parameters = dict(PARAMETERS)
    name = "encoder.layer.0.attention.self.query.weight"
    parameters[name] = np.full_like(parameters[name], 3e38)
    damaged = Engine(pack_parameters(parameters, CONFIG), threads, "weights.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckpointError, match=r"^weights.safetensors is damaged"):
            damaged.run(texts, token_vectors, pack_tokens=8)
