"""hub/errors.py: one line for any error, and what to do when no place has the checkpoint."""

from __future__ import annotations

import pytest

from minilm.hub.errors import not_found, reason_text


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("two\n  lines\t"), "ValueError: two lines"),
        (ValueError(), "ValueError"),
        (OSError("a disk"), "a disk"),
        (OSError(), "OSError"),
        (OSError("x" * 301), "x" * 300),
    ],
)
def test_an_error_is_one_line_by_its_type_unless_the_system_says_it(error: Exception, line: str) -> None:
    assert reason_text(error) == line


def test_a_checkpoint_that_no_place_has_is_named_with_every_reason_and_a_remedy() -> None:
    assert str(not_found("someone/model", ["here: no", "there: no"])) == (
        "someone/model is not on this machine and could not be fetched. Looked in: here: no; there: no. "
        "What to do: run `minilm download --model someone/model` where there is a network. With "
        "`--local-dir DIR` it makes a copy; carry it to the other machine and give its directory as the model"
    )
