"""minilm/server/settings.py: each limit is checked, and the error begins with the field's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

import pytest
from starlette.routing import BaseRoute, Route

from minilm import MiniLM
from minilm.server.app import create_app
from minilm.server.settings import FOLDERS, ROUTES, ServerSettings

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
    ("api_keys", "secret"),
    ("api_keys", ("",)),
    ("api_keys", ("right", "two words")),
    ("api_keys", (12345,)),
    ("api_keys", ("schlüssel",)),
    ("served_model_names", "name"),
    ("served_model_names", ("",)),
    ("served_model_names", ("a", "/b")),
    ("served_model_names", ("a ",)),
    ("served_model_names", (5,)),
    ("strict_model", 1),
    ("auto_truncate", "false"),
    ("token_ids", "cl100k_base"),
    ("workers", 0),
    ("root_path", "minilm"),
    ("root_path", "/"),
    ("root_path", "/minilm/"),
    ("root_path", "/a//b"),
    ("root_path", "/a/../b"),
    ("root_path", "/a b"),
    ("root_path", 5),
    *(
        ("root_path", f"/{path}")
        for path in ("v1", "api", "v1/models", "v1/models/a", "health", "docs", "page")
    ),
    ("forwarded_allow_ips", "127.0.0.1"),
    ("forwarded_allow_ips", ("localhost",)),
    ("forwarded_allow_ips", ("10.0.0.1/8",)),
    ("forwarded_allow_ips", ("127.0.0.1", 7)),
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
    if name != "api_keys":  # it is a secret
        assert str(value[-1] if isinstance(value, tuple) else value) in str(error.value)


def test_allowed_values_are_accepted() -> None:
    settings = ServerSettings(
        api_keys=("secret",), cors_origins=("*", "https://example.org"), body_seconds=0.5
    )
    assert (settings.api_keys, settings.body_seconds, settings.max_texts) == (("secret",), 0.5, 2048)
    for prefix in ("/minilm", "/api/minilm", "/v3", "/embedder", "/v1/embed"):
        assert ServerSettings(root_path=prefix).root_path == prefix


def test_a_prefix_is_compared_with_every_route(model: MiniLM) -> None:
    paths = {path for path in route_paths(create_app(model).routes) if path != "/"}
    in_folders = {path for path in paths if path.startswith(FOLDERS)}
    assert paths - in_folders - {"/search"} == ROUTES - {"/search"}  # it is there with documents only
    assert {f"/{path.split('/')[1]}/" for path in in_folders} == {"/page/", "/source/", "/swagger/", "/v1/"}
    for path in paths:
        parts = path.replace("{model:path}", "a").split("/")
        for size in range(2, len(parts) + 1):
            with pytest.raises(ValueError, match=r"^root_path must be a path that begins no route"):
                ServerSettings(root_path="/".join(parts[:size]))


def route_paths(routes: Iterable[BaseRoute]) -> Iterator[str]:
    """The paths of all routes, also those of included routers, which newer FastAPI keeps as one route."""
    for route in routes:
        if hasattr(route, "original_router"):
            yield from route_paths(route.original_router.routes)
        elif isinstance(route, Route):
            yield route.path
