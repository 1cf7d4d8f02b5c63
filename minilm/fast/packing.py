"""Distribution of texts over packs, which go through the encoder together, similar lengths side by side.

A matrix product of many rows does more work per second than one of few, so a pack holds the tokens of many
short texts. Texts of equal length share one attention (``packed.py``, 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minilm._arrays import IntArray
from minilm.fast.packed import Group

# With fewer tokens, a worker would spend more time on reading the weights than on computing. (Ten short texts
# take 9.4 ms in two packs of 70 tokens, and 14.5 ms in one.)
SMALLEST_PACK = 32


class Pack(NamedTuple):
    """Texts that go through the encoder together."""

    rows: IntArray  # (texts,): which texts, in the order in which their tokens lie
    input_ids: IntArray  # (T,)
    groups: list[Group]
    token_type_ids: IntArray | None = None  # (T,); None: all 0


def make_packs(
    token_ids: Sequence[Sequence[int]],
    *,
    pack_tokens: int,
    workers: int,
    token_types: Sequence[Sequence[int]] | None = None,
) -> list[Pack]:
    """Distribute texts over packs of similar size, the same number of packs for each worker if lengths allow.

    A pack has up to ``pack_tokens`` tokens, which its last text may exceed; ``workers`` packs are encoded at
    the same time. The longest texts come first, so that no long pack remains at the end.

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
    # all tokens are cut into equal shares; a text belongs to the share that has its middle
    pack_of = ((2 * ends - lengths[order]) * packs // (2 * total)).clip(max=packs - 1)
    cuts = np.flatnonzero(np.diff(pack_of)) + 1
    return [_pack(rows, token_ids, token_types) for rows in np.split(order, cuts)]


def _pack(
    rows: IntArray, token_ids: Sequence[Sequence[int]], token_types: Sequence[Sequence[int]] | None
) -> Pack:
    def concatenated(per_token: Sequence[Sequence[int]]) -> IntArray:
        return np.array([value for row in rows for value in per_token[row]], dtype=np.intp)

    groups: list[Group] = []
    for row in rows:
        length = len(token_ids[row])
        if groups and groups[-1].length == length:
            groups[-1] = groups[-1]._replace(texts=groups[-1].texts + 1)
        else:
            groups.append(Group(groups[-1].stop if groups else 0, 1, length))
    types = None if token_types is None else concatenated(token_types)
    return Pack(rows, concatenated(token_ids), groups, types)
