"""What is wrong with a body that does not fit its schema: the field, its value, and what it must be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

TYPES = frozenset({"bool", "float", "int", "str"})
VALUE_CHARACTERS = 60  # of a value that a message shows

Error = Mapping[str, Any]  # one of pydantic


def explain(errors: Sequence[Error]) -> tuple[str, str | None]:
    """Return a message about the errors that pydantic found in a body, and the field.

    An input may have one of several forms, each of which has an error. Those count that are furthest in the
    body: they belong to the forms that fit best.
    """
    furthest = max(map(_depth, errors))
    found = [error for error in errors if _depth(error) == furthest]
    error, place = found[0], _place(found[0])
    if error["type"] == "refused_field":
        field = _written([*place, error["ctx"]["field"]])
        return f"{_written(place, '.')}{error['msg']}", field
    name = _written(place) or None
    if error["type"] == "missing":
        return f"{name or 'the body'} is missing", name
    if error["type"] == "value_error":
        return f"{name} {error['ctx']['error']}", name
    if error["type"] in ("too_short", "too_long"):
        context = error["ctx"]
        limit = (
            f"at least {context['min_length']}"
            if "min_length" in context
            else f"at most {context['max_length']}"
        )
        return f"{name} has {context['actual_length']} elements: it must have {limit}", name
    *others, last = dict.fromkeys(_expected(error, place) for error in found)
    expected = f"{', '.join(others)} or {last}" if others else last
    value = shown(error["input"])
    return f"{name or 'the body'} is {value}: it must be {expected}", name


def shown(value: object) -> str:
    """Return a value of parsed JSON for a message: shortened, and only the kind of what holds others."""
    if isinstance(value, (list, dict)):
        kind = "a list" if isinstance(value, list) else "an object"
        return kind if value else f"an empty {kind.split()[1]}"
    text = value if isinstance(value, str) else json.dumps(value)
    short = text if len(text) <= VALUE_CHARACTERS else f"{text[:VALUE_CHARACTERS]}..."
    return json.dumps(short) if isinstance(value, str) else short


def _expected(error: Error, place: Sequence[str | int]) -> str:
    """Return what a value must be."""
    kind, context = error["type"], error.get("ctx", {})
    if kind.startswith("int_") or "than" in kind:
        if place and isinstance(place[-1], int):  # the only numbers in lists
            return "a token id (a whole number from 0)"
        if "le" in context:
            return f"a whole number of at most {context['le']}"
        return f"a whole number of {context.get('ge', 1)} or more"
    has_ids = place and (isinstance(place[-1], int) or place[-1] == "ids")
    if kind == "literal_error":
        return str(context["expected"]).replace("'", '"')
    return {
        "string_type": "a text",
        "bool_type": "true or false",
        "list_type": "a list of token ids" if has_ids else "a list of texts",
        "model_attributes_type": "an object",
        "model_type": "an object",
        "dict_type": "an object",
    }.get(kind, str(error["msg"]))


def _place(error: Error) -> list[str | int]:
    """Return the names and indices that lead to the value, without the forms that pydantic tried."""
    # a form is named like "str", "list[str]", "function-after[...]" or the class of a model
    steps = error["loc"][1:]
    return [step for step in steps if isinstance(step, int) or _is_name(step)]


def _is_name(step: str) -> bool:
    return step not in TYPES and re.fullmatch("[a-z][a-z0-9_]*", step) is not None


def _depth(error: Error) -> tuple[int, list[int]]:
    """How deep in the body an error is, and at which elements of its lists."""
    place = _place(error)
    return len(place), [step for step in place if isinstance(step, int)]


def _written(place: Sequence[str | int], end: str = "") -> str:
    """Return a place as JavaScript writes it: ``inputs.sentences[2]``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)[1:]
    return text + end if text else ""
