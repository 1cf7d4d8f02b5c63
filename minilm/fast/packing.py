"""Which texts go through the encoder together: packs of many texts' tokens, like lengths side by side.

A matrix product of many rows does more in a second than one of few, so that the tokens of many short texts
belong in one; and texts of equal length share one attention (``packed.py``, 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from minilm.fast.packed import Group

# With fewer tokens than this a worker would spend more time on reading the weights than on its rows. (Ten
# short texts: 9.4 ms in two packs of 70 tokens, 14.5 ms in one.)
SMALLEST_PACK = 32


class Pack(NamedTuple):
    """Texts that go through the encoder together."""

    rows: npt.NDArray[np.intp]  # (texts,): which texts, in the order in which their tokens lie
    input_ids: npt.NDArray[np.intp]  # (T,)
    groups: list[Group]
    token_type_ids: npt.NDArray[np.intp] | None = None  # (T,), where they are not all 0


def make_packs(
    token_ids: Sequence[Sequence[int]],
    *,
    pack_tokens: int,
    workers: int,
    token_types: Sequence[Sequence[int]] | None = None,
) -> list[Pack]:
    """Distribute texts over packs of like size, as many for each worker as for any other if lengths allow.

    Parameters
    ----------
    token_ids : sequence of n sequences of int
        Each text's ids; none is empty.
    pack_tokens : int
        Tokens that a pack does not exceed by more than one text.
    workers : int
        How many packs are worked on at a time.
    token_types : sequence of n sequences of int, optional
        Each token's type.

    Returns
    -------
    list of Pack
        Longest texts first, so that what remains at the end is small; every text in one of them.

    Examples
    --------
    >>> [pack] = make_packs([[1, 2], [1, 7, 2], [1, 2]], pack_tokens=100, workers=1)
    >>> pack.rows.tolist(), pack.input_ids.tolist(), [tuple(group) for group in pack.groups]
    ([1, 0, 2], [1, 7, 2, 1, 2, 1, 2], [(0, 1, 3), (3, 2, 2)])
    """
    lengths = np.array([len(ids) for ids in token_ids], dtype=np.intp)
    order = np.argsort(-lengths, kind="stable")
    ends = np.cumsum(lengths[order])  # tokens up to and including each text
    total = int(ends[-1])
    packs = max(-(-total // pack_tokens), min(workers, total // SMALLEST_PACK), 1)
    packs = -(-packs // workers) * workers if packs > 1 else 1
    # a text belongs to the pack in whose share of all tokens its middle lies
    pack_of = ((2 * ends - lengths[order]) * packs // (2 * total)).clip(max=packs - 1)
    cuts = np.flatnonzero(np.diff(pack_of)) + 1
    return [_pack(rows, token_ids, token_types) for rows in np.split(order, cuts)]


def _pack(
    rows: npt.NDArray[np.intp],
    token_ids: Sequence[Sequence[int]],
    token_types: Sequence[Sequence[int]] | None,
) -> Pack:
    def in_a_row(per_token: Sequence[Sequence[int]]) -> npt.NDArray[np.intp]:
        return np.array([value for row in rows for value in per_token[row]], dtype=np.intp)

    groups: list[Group] = []
    for row in rows:
        length = len(token_ids[row])
        if groups and groups[-1].length == length:
            groups[-1] = groups[-1]._replace(texts=groups[-1].texts + 1)
        else:
            groups.append(Group(groups[-1].stop if groups else 0, 1, length))
    return Pack(rows, in_a_row(token_ids), groups, None if token_types is None else in_a_row(token_types))
