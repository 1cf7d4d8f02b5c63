"""The library's complaints about arguments, in the words of the command line."""

from __future__ import annotations

import pytest

from minilm.cli.errors import Failure, UsageError, argument_errors, flag, option_errors


def test_options_have_the_names_of_their_arguments() -> None:
    assert flag("max_seq_length") == "--max-seq-length"


@pytest.mark.parametrize("error", [ValueError, TypeError])
def test_a_complaint_names_the_option(error: type[Exception]) -> None:
    with (
        pytest.raises(UsageError, match=r"^--max-texts must be positive, not 0$"),
        option_errors("max_texts"),
    ):
        raise error("max_texts must be positive, not 0")
    with (
        pytest.raises(Failure, match="TEXT_B is empty"),
        argument_errors(Failure, {"inputs[1]": "TEXT_B"}),
    ):
        raise error("inputs[1] is empty")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("operands could not be broadcast"),
        ValueError("max_texts_of_all must be positive"),  # the name of another argument
        ValueError(),
        KeyError("max_texts"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    ],
)
def test_any_other_error_passes(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, option_errors("max_texts"):
        raise error
    assert raised.value is error
