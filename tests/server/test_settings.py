"""minilm/server/settings.py: each limit is checked, and the error begins with the field's name."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from minilm.server.settings import ServerSettings

REFUSED_VALUES = [
    ("max_body_bytes", 0),
    ("max_texts", -1),
    ("max_texts", "5"),
    ("max_texts", 2.5),
    ("max_texts", True),
    ("max_characters", float("inf")),
    ("max_queue_tokens", -5),
    ("body_seconds", 0),
    ("body_seconds", "30"),
    ("body_seconds", True),
    ("body_seconds", float("inf")),
    ("body_seconds", float("nan")),
    ("api_key", ""),
    ("api_key", "two words"),
    ("api_key", 12345),
    ("api_key", "schlüssel"),
    ("served_model_names", "name"),
    ("served_model_names", ("",)),
    ("served_model_names", ("a", "/b")),
    ("served_model_names", ("a ",)),
    ("served_model_names", (5,)),
    ("strict_model", 1),
    ("auto_truncate", "false"),
    ("token_ids", "cl100k_base"),
    ("cors_origins", ("null",)),
    ("cors_origins", "*"),
    ("cors_origins", (7,)),
    ("cors_origins", ("*", "https://example.org/")),
    ("cors_origins", ("https://Example.org",)),
]


def test_every_field_is_checked() -> None:
    assert {field.name for field in fields(ServerSettings)} == {name for name, _ in REFUSED_VALUES}


@pytest.mark.parametrize(("name", "value"), REFUSED_VALUES)
def test_a_value_that_is_not_allowed_is_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be ") as error:
        ServerSettings(**{name: value})
    if name != "api_key":  # it is a secret
        assert str(value[-1] if isinstance(value, tuple) else value) in str(error.value)


def test_allowed_values_are_accepted() -> None:
    settings = ServerSettings(api_key="secret", cors_origins=("*", "https://example.org"), body_seconds=0.5)
    assert (settings.api_key, settings.body_seconds, settings.max_texts) == ("secret", 0.5, 2048)
