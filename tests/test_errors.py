"""errors.py: one family of exceptions, the remedy for a missing extra, and messages of one line."""

from __future__ import annotations

import json

import pytest

from minilm import errors
from minilm.errors import MiniLMError, MissingExtraError, described, import_extra, one_line, warn_caller


def test_every_exception_is_of_one_family() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    exceptions = {kind for kind in kinds if issubclass(kind, Exception) and not issubclass(kind, Warning)}
    assert all(issubclass(kind, MiniLMError) for kind in exceptions)
    assert len(exceptions) == 5
    # so that "except ImportError" catches a missing package, as everywhere
    assert issubclass(MissingExtraError, ImportError)


def test_a_package_that_is_there_is_imported() -> None:
    assert import_extra("json", extra="serve", feature="The server") is json


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.parquet"])
def test_a_missing_package_is_named_with_the_command_that_brings_it(module: str) -> None:
    with pytest.raises(MissingExtraError) as caught:
        import_extra(module, extra="parquet", feature="Parquet")
    assert str(caught.value) == (
        "Parquet needs no_such_package, which is not installed: "
        'pip install "minilm[parquet]", or ".[parquet]" in a checkout'
    )


def test_a_message_is_one_line_of_bounded_length() -> None:
    assert one_line(ValueError("bad\n\tmagic  number\r\n")) == "bad magic number"
    assert one_line("x" * 1000) == "x" * 300
    assert one_line(None) == "None"


def test_an_error_is_described_by_its_type_and_its_words_if_it_has_any() -> None:
    assert described(KeyError("vector")) == "KeyError: 'vector'"
    assert described(AssertionError()) == "AssertionError"
    assert described(OSError(2, "No such\nfile")) == "FileNotFoundError: [Errno 2] No such file"


def test_a_warning_points_at_the_line_that_called_minilm() -> None:
    with pytest.warns(UserWarning, match="look here") as caught:
        warn_caller("look here", UserWarning)
    assert caught[0].filename == __file__
