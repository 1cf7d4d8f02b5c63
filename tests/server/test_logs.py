"""minilm/server/logs.py: which lines are written, and in which form."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CODE = """
import logging, sys
from minilm.server.logs import set_up_logging
set_up_logging(*sys.argv[1:])
logging.getLogger("minilm.server.service").info("cut\\nhere")
logging.getLogger("uvicorn.error").error("bad")
logging.getLogger("minilm.server.access_log").info("line", extra={"fields": {"status": 200}})
logging.getLogger("of.a.library").warning("not ours")
"""


def lines(level: str, access: str) -> list[str]:
    command = [sys.executable, "-c", CODE, level, access]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == ""
    return result.stderr.splitlines()


@pytest.mark.parametrize(
    ("level", "access", "expected"),
    [
        ("warning", "none", ["error uvicorn.error [-] bad"]),
        ("info", "none", ["info minilm.server.service [-] cut\\nhere", "error uvicorn.error [-] bad"]),
        ("error", "plain", ["error uvicorn.error [-] bad", "info line"]),
    ],
)
def test_the_level_says_what_is_logged_and_the_access_log_stands_alone(
    level: str, access: str, expected: list[str]
) -> None:
    written = lines(level, access)
    assert written[-1] == "not ours"  # as Python writes it
    assert [line.split(" ", 1)[1] for line in written[:-1]] == expected
    for line in written[:-1]:
        assert line.split(" ")[0].endswith("Z")


def test_every_line_of_ours_is_json_with_json() -> None:
    error, access, _ = lines("warning", "json")
    error_line, access_line = json.loads(error), json.loads(access)
    assert error_line.pop("time").endswith("Z")
    assert error_line == {"level": "error", "logger": "uvicorn.error", "message": "bad", "request_id": "-"}
    assert access_line["status"] == 200
