"""packing.py: every text is in one pack, and packs have similar sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.fast.packing import SMALLEST_PACK, Pack, make_packs


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
