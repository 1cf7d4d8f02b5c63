"""Find the code blocks of a Markdown page, by section, and run each kind of block."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.serving import Server

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = "http://127.0.0.1:8000"  # the server's address in the pages; a test uses another port

FENCE = re.compile(r"^```([\w-]*)[^\n]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^##? (.*)$", re.MULTILINE)
PIP = re.compile(r'^pip install (?:-e )?"?(?:\.|minilm)(?:\[([\w,]+)\])?"?(?: && )?')
NUMBER = r"-?\d+\.\d+(?:e[+-]?\d+)?"


class Block(NamedTuple):
    """A fenced block, and the block of text that directly follows it, which is what it prints."""

    language: str
    code: str
    printed: str | None


class Section(NamedTuple):
    """The blocks below one heading, which are run in one directory and one namespace."""

    page: str
    heading: str
    blocks: list[Block]

    def __str__(self) -> str:
        return f"{self.page}: {self.heading}"


def sections(page: str) -> list[Section]:
    """The sections of a page that have blocks, by headings of the first two levels."""
    text = (ROOT / page).read_text("utf-8")
    hidden = FENCE.sub(
        lambda fence: re.sub("#", " ", fence[0]), text
    )  # a comment in a block is not a heading
    starts = [(0, "")] + [(match.start(), match[1]) for match in HEADING.finditer(hidden)]
    ends = [start for start, _ in starts[1:]] + [len(text)]
    parts = [
        Section(page, heading, blocks(text[start:end]))
        for (start, heading), end in zip(starts, ends, strict=True)
    ]
    return [part for part in parts if part.blocks]


def blocks(text: str) -> list[Block]:
    """The blocks of a text, each with what it prints."""
    fences = list(FENCE.finditer(text))
    found = []
    for fence, following in zip_longest(fences, fences[1:]):
        is_next = following and not text[fence.end() : following.start()].strip()
        printed = following[2] if following and is_next and following[1] == "text" else None
        found.append(Block(fence[1], fence[2], printed))
    return found


class Runner:
    """Run the blocks of one section in their order.

    Python blocks share a namespace. ``sh`` blocks run in bash, which stops at the first command that fails.
    ``pip install`` of minilm itself is skipped, after a check that its extras exist. A block with
    ``minilm serve`` starts a server for the following blocks of the section. Without one, they use a server
    with the defaults.
    """

    def __init__(self, directory: Path, replaced: dict[str, str] | None = None) -> None:
        self._directory = directory
        self._replaced = replaced or {}
        self._namespace: dict[str, Any] = {"__name__": "__main__"}
        self._server: Server | None = None

    def stop(self) -> None:
        """Stop the server, which must exit with 0, and Ray."""
        if ray := sys.modules.get("ray"):
            ray.shutdown()
        if self._server:
            assert self._server.stop() == 0

    def run(self, block: Block) -> str:
        """Run a block, and return what it prints."""
        code = block.code
        for shown, actual in self._replaced.items():
            code = code.replace(shown, actual)
        if block.language == "python":
            return self._python(self._at_server(code))
        code = without_pip(code)
        if "minilm serve" in code:
            self._serve(code)
            return ""
        return self._shell(self._at_server(code)) if code.strip() else ""

    def _python(self, code: str) -> str:
        if "pyspark" in code and not shutil.which("java"):
            pytest.skip("java is not installed, which Spark needs")
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(code, "example", "exec", dont_inherit=True), self._namespace)
        except ModuleNotFoundError as error:
            pytest.skip(f"{error.name} is not installed; an extra brings it")
        return printed.getvalue()

    def _shell(self, code: str) -> str:
        if "curl " in code and not shutil.which("curl"):
            pytest.skip("curl is not installed")
        if code.startswith("llm "):
            pytest.importorskip("llm", reason="llm is not installed")
        if "--engine ray" in code:
            pytest.importorskip("ray", reason="ray is not installed; the extra ray brings it")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", code],
            cwd=self._directory,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _serve(self, code: str) -> None:
        pytest.importorskip("uvicorn", reason="uvicorn is not installed; the extra serve brings it")
        words = shlex.split(code, comments=True)
        start = words.index("minilm")
        variables = dict(word.split("=", 1) for word in words[:start])
        assert words[start + 1] == "serve", code
        self.stop()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            self._server = Server(*words[start + 2 :], "--port", "0")  # the last --port counts
        assert self._server.ask("/health")[0] == 200

    def _at_server(self, code: str) -> str:
        if ADDRESS not in code:
            return code
        if self._server is None:
            self._serve("minilm serve")
        assert self._server
        return code.replace(ADDRESS, self._server.url)


def without_pip(code: str) -> str:
    """A shell block without the lines that install minilm. Their extras must be in pyproject.toml."""
    declared = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text("utf-8"), flags=re.MULTILINE)
    kept = []
    for line in code.splitlines(keepends=True):
        if match := PIP.match(line):
            unknown = set((match[1] or "").split(",")) - {"", *declared}
            assert not unknown, f"{line!r} asks for extras that pyproject.toml does not have: {unknown}"
        rest = PIP.sub("", line)
        kept.append("" if match and rest.lstrip().startswith("#") else rest)
    return "".join(kept)


def environment() -> dict[str, str]:
    """The environment, with the commands of this Python first in the PATH."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def assert_prints(actual: str, expected: str) -> None:
    """Assert that a block printed the text below it.

    ``...`` matches anything, and an indented line may continue the previous one. Numbers with a decimal point
    may differ by one in the last digit shown, or by 1e-6 if that is more, because BLAS kernels sum in
    different orders.
    """
    pieces = re.split(rf"({NUMBER}|\.\.\.|\n +)", expected.rstrip())
    shown = [piece for piece in pieces if re.fullmatch(NUMBER, piece)]
    pattern = "".join(
        ".*?"
        if piece == "..."
        else r"\s*"
        if piece.startswith("\n ")
        else f"({NUMBER})"
        if re.fullmatch(NUMBER, piece)
        else re.escape(piece)
        for piece in pieces
    )
    match = re.fullmatch(pattern, actual.rstrip(), flags=re.DOTALL)
    assert match, f"expected\n{expected}\nbut was\n{actual}"
    for got, want in zip(match.groups(), shown, strict=True):
        digits, _, exponent = want.partition("e")
        last = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
        assert abs(float(got) - float(want)) <= max(1.01 * last, 1e-6), f"{got} is not {want}:\n{actual}"
