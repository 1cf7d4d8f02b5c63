"""engine.py: every text is in one pack, and has its result at its place, whatever the packs and threads."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm import CheckpointError, encoder
from minilm._arrays import Float32Array
from minilm.fast import engine as fast_engine
from minilm.fast.engine import SHARED_TOKENS, SMALLEST_PACK, Engine, Pack, make_packs
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


@pytest.fixture(autouse=True)
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engine use as many threads as a test asks for, whatever machine it runs on."""
    monkeypatch.setattr(fast_engine, "scheduled_cores", lambda: 64)


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


def test_more_threads_than_cores_are_no_more_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_engine, "scheduled_cores", lambda: 2)
    given: list[int] = []

    def run_here(
        jobs: Sequence[Pack], make_worker: Callable[[], Callable[[Pack], None]], *, threads: int
    ) -> None:
        given.extend([threads, len(jobs)])
        do_job = make_worker()
        for job in jobs:
            do_job(job)

    monkeypatch.setattr(fast_engine, "run_jobs", run_here)
    engine(32).run([[1] * SMALLEST_PACK] * 64, token_vectors, pack_tokens=10_000)
    assert given == [2, 2]  # not 32 small packs


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


def texts_of(lengths: list[int]) -> list[list[int]]:
    """Texts of these lengths; all ids differ."""
    ends = np.cumsum(lengths).tolist()
    return [list(range(end - length, end)) for end, length in zip(ends, lengths, strict=True)]


def tokens(packs: list[Pack]) -> list[int]:
    return [len(pack.input_ids) for pack in packs]


many_lengths = st.lists(st.integers(1, 300), min_size=1, max_size=80)
given_any = given(lengths=many_lengths, pack_tokens=st.integers(1, 2000), workers=st.integers(1, 9))
without_a_clock = settings(deadline=None, max_examples=200)


@given_any
@without_a_clock
def test_every_text_is_in_one_pack(lengths: list[int], pack_tokens: int, workers: int) -> None:
    packs = make_packs(texts_of(lengths), pack_tokens=pack_tokens, workers=workers)
    assert sorted(row for pack in packs for row in pack.rows.tolist()) == list(range(len(lengths)))
    assert all(len(pack.rows) for pack in packs)


@given_any
@without_a_clock
def test_groups_cover_the_ids_without_gaps(lengths: list[int], pack_tokens: int, workers: int) -> None:
    for pack in make_packs(texts_of(lengths), pack_tokens=pack_tokens, workers=workers):
        edges = [0, *(group.stop for group in pack.groups)]
        assert [group.start for group in pack.groups] == edges[:-1]
        assert edges[-1] == len(pack.input_ids)
        assert sum(group.texts for group in pack.groups) == len(pack.rows)


@given_any
@without_a_clock
def test_the_ids_are_those_of_the_rows_in_their_order(
    lengths: list[int], pack_tokens: int, workers: int
) -> None:
    texts = texts_of(lengths)
    for pack in make_packs(texts, pack_tokens=pack_tokens, workers=workers):
        assert pack.input_ids.tolist() == [token for row in pack.rows for token in texts[row]]
        assert [len(texts[row]) for row in pack.rows] == [
            group.length for group in pack.groups for _ in range(group.texts)
        ]


@given_any
@without_a_clock
def test_neighbours_of_equal_length_are_one_group(lengths: list[int], pack_tokens: int, workers: int) -> None:
    for pack in make_packs(texts_of(lengths), pack_tokens=pack_tokens, workers=workers):
        of_groups = [group.length for group in pack.groups]
        assert of_groups == sorted(set(of_groups), reverse=True)


@given_any
@without_a_clock
def test_no_pack_exceeds_its_share_by_more_than_a_text(
    lengths: list[int], pack_tokens: int, workers: int
) -> None:
    packs = make_packs(texts_of(lengths), pack_tokens=pack_tokens, workers=workers)
    # the first and the last text of a pack may each exceed its share by half of their length
    assert max(tokens(packs)) <= pack_tokens + max(lengths)


@given_any
@without_a_clock
def test_packs_are_a_multiple_of_the_workers_unless_a_text_outgrows_its_share(
    lengths: list[int], pack_tokens: int, workers: int
) -> None:
    total = sum(lengths)
    packs = make_packs(texts_of(lengths), pack_tokens=pack_tokens, workers=workers)
    shares = max(-(-total // pack_tokens), min(workers, total // SMALLEST_PACK), 1)
    shares = -(-shares // workers) * workers if shares > 1 else 1
    assert len(packs) <= shares
    # the distance between the middles of neighbouring texts is at most the longest length: no share is empty
    if max(lengths) * shares <= total:
        assert len(packs) == shares


@given_any
@without_a_clock
def test_longer_texts_come_first(lengths: list[int], pack_tokens: int, workers: int) -> None:
    packs = make_packs(texts_of(lengths), pack_tokens=pack_tokens, workers=workers)
    in_order = [lengths[row] for pack in packs for row in pack.rows]
    assert in_order == sorted(lengths, reverse=True)


@given_any
@without_a_clock
def test_texts_of_equal_length_keep_their_order(lengths: list[int], pack_tokens: int, workers: int) -> None:
    packs = make_packs(texts_of(lengths), pack_tokens=pack_tokens, workers=workers)
    rows = [row for pack in packs for row in pack.rows.tolist()]
    assert rows == sorted(rows, key=lambda row: (-lengths[row], row))


def test_neighbours_of_equal_length_come_after_the_longer_ones() -> None:
    [pack] = make_packs([[1, 2], [1, 7, 2], [1, 2]], pack_tokens=100, workers=1)
    assert pack.rows.tolist() == [1, 0, 2]
    assert pack.input_ids.tolist() == [1, 7, 2, 1, 2, 1, 2]
    assert pack.groups == [(0, 1, 3), (3, 2, 2)]


@pytest.mark.parametrize("workers", [1, 2, 16])
@pytest.mark.parametrize("length", [1, 64, 5000])
def test_a_single_text_is_a_single_pack(length: int, workers: int) -> None:
    [pack] = make_packs(texts_of([length]), pack_tokens=1024, workers=workers)
    assert pack.rows.tolist() == [0]
    assert pack.input_ids.tolist() == list(range(length))
    assert pack.groups == [(0, 1, length)]


def test_two_workers_share_as_soon_as_each_has_a_smallest_pack() -> None:
    length = SMALLEST_PACK // 8
    too_few, enough = texts_of([length] * 15), texts_of([length] * 16)
    assert tokens(make_packs(too_few, pack_tokens=1024, workers=2)) == [15 * length]
    assert tokens(make_packs(enough, pack_tokens=1024, workers=2)) == [SMALLEST_PACK] * 2


def test_more_workers_than_smallest_packs_share_all_the_same_once_there_are_two() -> None:
    # 256 tokens for 8 workers: two packs would leave six workers idle
    packs = make_packs(texts_of([8] * 32), pack_tokens=1024, workers=8)
    assert tokens(packs) == [32] * 8


def test_one_worker_has_one_pack_until_it_is_full() -> None:
    assert tokens(make_packs(texts_of([8] * 128), pack_tokens=1024, workers=1)) == [1024]
    assert tokens(make_packs(texts_of([8] * 130), pack_tokens=1024, workers=1)) == [520, 520]


def test_a_text_longer_than_a_pack_has_one_to_itself() -> None:
    packs = make_packs(texts_of([10, 900, 10]), pack_tokens=100, workers=1)
    assert [pack.rows.tolist() for pack in packs] == [[1], [0, 2]]
