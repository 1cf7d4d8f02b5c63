"""Run the fuzz targets over random changes to their seeds, without atheris."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from random import Random

import pytest

# The number of inputs per target.
INPUTS = 3000

_NASTY = [
    b"\0",
    b"\xff",
    b'"\\ud800"',
    b"\xed\xa0\x80",
    b"[",
    b"]",
    b"{",
    b"}",
    b"null",
    b"NaN",
    b"-1",
    b"1e400",
    b",",
]


def changes(seeds: Sequence[bytes], count: int) -> Iterator[bytes]:
    """The seeds, then seeds with bytes changed, inserted, deleted, or joined to another seed's."""
    yield from seeds[:count]
    random = Random(8)
    for _ in range(count - len(seeds)):
        data = bytearray(random.choice(seeds))
        for _ in range(random.choice((1, 1, 2, 4, 16))):
            place = random.randrange(len(data) + 1)
            match random.randrange(5):
                case 0:
                    data[place : place + 1] = random.randbytes(1)
                case 1:
                    data[place:place] = random.choice(_NASTY)
                case 2:
                    del data[place : place + random.randint(1, 20)]
                case 3:
                    data[place:] = random.choice(seeds)[place:]
                case 4:
                    data[place:place] = data[place : place + 10] * random.randint(1, 20)
        yield bytes(data)


@pytest.mark.parametrize("name", ["encode", "checkpoint", "http_body"])
def test_random_inputs_break_no_promise(name: str) -> None:
    if name == "http_body":
        pytest.importorskip("fastapi", reason="the extra serve is not installed")
    target = importlib.import_module(f"fuzz.{name}")
    seen = 0
    for data in changes(target.SEEDS, INPUTS):
        try:
            target.one_input(data)
        except Exception as error:
            raise AssertionError(f"fuzz.{name}.one_input({data!r})") from error
        seen += 1
    assert seen >= INPUTS
