"""Two texts as one sequence: the special tokens around them, and how much of each is kept.

The ``tokenizers`` library can do both, but it also combines every cut-off piece of one text with every piece
of the other. Its time and memory grow with the product of the lengths: two texts of 40,000 full stops took 19
seconds and 8 GB.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer

from minilm.errors import CheckpointError, is_panic, one_line


class AddedTokens(NamedTuple):
    """Tokens that the tokenizer adds, and the type of each."""

    input_ids: list[int]
    token_type_ids: list[int]


class PairFrame(NamedTuple):
    """The tokens that a tokenizer puts around the two texts of a pair, and the types of the texts' tokens."""

    before: AddedTokens
    first_type: int
    between: AddedTokens
    second_type: int
    after: AddedTokens

    @property
    def added(self) -> int:
        """The number of added tokens."""
        return sum(len(tokens.input_ids) for tokens in (self.before, self.between, self.after))

    def join(self, first: list[int], second: list[int]) -> tuple[list[int], list[int]]:
        """The ids and the types of a pair, from the ids of its texts."""
        before, between, after = self.before, self.between, self.after
        input_ids = [*before.input_ids, *first, *between.input_ids, *second, *after.input_ids]
        first_types, second_types = [self.first_type] * len(first), [self.second_type] * len(second)
        types = before.token_type_ids + first_types + between.token_type_ids + second_types
        return input_ids, types + after.token_type_ids


def pair_frame(tokenizer: Tokenizer, path: Path) -> PairFrame:
    """The frame that a tokenizer's post-processor makes, read from an encoded example.

    ``tokenizer`` must not truncate; ``path`` is its file, for the error message.
    """
    try:
        encoding = tokenizer.encode("a", "a")
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise CheckpointError(f"{path} cannot encode a pair of texts: {one_line(error)}") from error
    sides = encoding.sequence_ids  # None for an added token
    first, second = ([i for i, side in enumerate(sides) if side == number] for number in (0, 1))
    if first and second:
        types = encoding.type_ids
        before, between, after = (
            AddedTokens(encoding.ids[part], types[part])
            for part in (slice(first[0]), slice(first[-1] + 1, second[0]), slice(second[-1] + 1, None))
        )
        frame = PairFrame(before, types[first[0]], between, types[second[0]], after)
        if all(_agree(frame, tokenizer, pair) for pair in (("a", "b c"), ("b c", "a"), ("", ""))):
            return frame
    raise CheckpointError(f"{path} does not put the second text of a pair after the first")


def _agree(frame: PairFrame, tokenizer: Tokenizer, pair: tuple[str, str]) -> bool:
    encoding = tokenizer.encode(pair[0], pair[1])
    first, second = (side.ids for side in tokenizer.encode_batch(list(pair), add_special_tokens=False))
    return frame.join(first, second) == (encoding.ids, encoding.type_ids)


def kept_of_pair(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens are kept of two texts when there is room for ``room``: the longer one is cut first.

    This is the strategy "longest first" of the ``tokenizers`` library. If both texts are cut and the room is
    odd, the longer text gets the larger half; of equally long texts, the second.
    """
    if first + second <= room:
        return first, second
    shorter = min(first, second)
    if room - shorter < shorter:
        shorter = room // 2
    longer = room - shorter
    return (longer, shorter) if first > second else (shorter, longer)
