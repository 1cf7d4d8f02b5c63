"""Run every code block of the README and of docs/, section by section, and compare what it prints.

A new page needs no change here. Its ``python`` and ``sh`` blocks are run (tests/snippets.py says how), and a
``text`` block below one is what it must print. The blocks that cannot be run are listed with the reason.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks import report
from minilm import MiniLM
from minilm.cli.main import make_parser
from tests.checkpoints import MakeCheckpoint, write_cross_encoder, write_sparse_encoder
from tests.postgres import postgres
from tests.snippets import ROOT, Block, Runner, Section, assert_prints, sections

PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/*.md", "docs/api/*.md", "benchmarks/*.md", "weights/*.md")
    for path in ROOT.glob(pattern)
)
# This page has two columns. The left one needs other libraries, and has tests of its own below.
COMING_FROM = "docs/coming-from.md"
# One story from its first section to its last, so it is run as one.
TUTORIAL = "docs/tutorial.md"

# The keys are the beginnings of the blocks.
NOT_RUN = {
    'pip install -e ".[test]" && pytest': "it is the run that this test is part of",
    "python3 -m venv": "it makes an environment and hooks of git; .ci/run makes its own",
    'pip install -e ".[golden]"': ".ci/run makes the golden outputs again, in an environment with torch",
    'pip install -e ".[bench]"': "minutes on an idle machine, with torch and ONNX Runtime beside it",
    "from minilm.integrations.sentence_transformers": "it changes the process; its own test runs it",
    "git clone https": "it runs the tests of another repository, for minutes",
    "python -m benchmarks.exactness": "it writes what the tables are made of; .ci/run does --quick",
    "MINILM_DIFFERENCES=": ".ci/run runs the parity tests, in an environment with torch",
}
# By name: the number of labels.
CROSS_ENCODERS = {
    "cross-encoder/ms-marco-MiniLM-L6-v2": 1,
    "nlptown/bert-base-multilingual-uncased-sentiment": 5,
}
SPARSE_ENCODER = "naver/splade-cocondenser-ensembledistil"
LANGUAGES = {"python", "sh", "text", "json", "js", "toml", "yaml", "ini", "dockerfile", "nginx"}

# frameworks give warnings of their own while they are imported
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("without_coverage")]


def reason_not_to_run(block: Block) -> str | None:
    return next((reason for start, reason in NOT_RUN.items() if block.code.startswith(start)), None)


def to_run(section: Section) -> list[Block]:
    return [b for b in section.blocks if b.language in ("python", "sh") and not reason_not_to_run(b)]


def stories(page: str) -> list[Section]:
    """What is run together: the sections of a page, or the whole tutorial."""
    if page == TUTORIAL:
        return [Section(page, "all", [block for section in sections(page) for block in section.blocks])]
    return sections(page)


RUN = [section for page in PAGES if page != COMING_FROM for section in stories(page) if to_run(section)]


@pytest.fixture
def own_postgres(
    monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> Iterator[Callable[[], None]]:
    """A function that starts a PostgreSQL, to which the environment then leads libpq."""
    with ExitStack() as stack:

        def start() -> None:
            pytest.importorskip("psycopg", reason="psycopg is not installed; an extra brings it")
            server = stack.enter_context(postgres())
            # nothing may lead to a server that the reader has
            for name in [name for name in os.environ if name.startswith("PG")]:
                monkeypatch.delenv(name)
            for name, value in server.variables.items():
                monkeypatch.setenv(name, value)
            record_property("postgres", f"{server.programs}: {server.version}")

        yield start


@pytest.fixture
def runner(
    tmp_path: Path, make_checkpoint: MakeCheckpoint, own_postgres: Callable[[], None]
) -> Iterator[Callable[[Section], Runner]]:
    """A function that makes a runner for a section, in a directory with the file that the README assumes."""
    directory = tmp_path / "reader"
    directory.mkdir()
    (directory / "texts.txt").write_text("first text\nsecond text\n")
    runners = []

    def make(section: Section) -> Runner:
        # the weights of other models need the Hub, so small random ones replace them
        code = "".join(block.code for block in to_run(section))
        used = {name: labels for name, labels in CROSS_ENCODERS.items() if name in code}
        stand_ins = {
            name: str(write_cross_encoder(make_checkpoint, labels=labels)) for name, labels in used.items()
        }
        if SPARSE_ENCODER in code:
            stand_ins[SPARSE_ENCODER] = str(write_sparse_encoder(make_checkpoint))
        if "psycopg.connect()" in code:
            own_postgres()
        runners.append(Runner(directory, stand_ins))
        return runners[-1]

    yield make
    for one in runners:
        one.stop()


@pytest.mark.parametrize("section", RUN, ids=str)
def test_the_blocks_of_a_section_print_what_they_say(
    section: Section, runner: Callable[[Section], Runner], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = runner(section)
    # otherwise Spark takes the first python3 of the PATH
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))  # the database of llm
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # it would fetch a list of prices
    monkeypatch.chdir(tmp_path / "reader")
    for block in to_run(section):
        printed = run.run(block)
        if block.printed is not None:
            assert_prints(printed, block.printed)
        elif block.language == "python":
            assert not printed, f"the page does not show what it prints\n{printed}"


def test_every_block_says_its_language_and_what_is_not_run_is_there() -> None:
    blocks = [block for page in PAGES for section in sections(page) for block in section.blocks]
    assert {block.language for block in blocks} <= LANGUAGES
    assert len([block for block in blocks if block.language in ("python", "sh")]) > 50
    for start in NOT_RUN:
        assert any(block.code.startswith(start) for block in blocks), f"no page has {start!r} any more"


def test_the_table_of_contributing_names_files_that_exist() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^\| (?!to change)[^|]+\|([^|]+)\|$", page, re.MULTILINE)
    paths = [path for row in rows for path in re.findall(r"`([\w/]+(?:\.py|/))`", row)]
    assert len(paths) > 20
    assert not [path for path in paths if not (ROOT / "minilm" / path).exists()]


def sides(name: str) -> tuple[Block, Block]:
    """The left and the right column of a section."""
    [section] = [section for section in sections(COMING_FROM) if section.heading == name]
    before, after, *_ = section.blocks  # below the columns, one section has the code of a page
    return before, after


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("sentence-transformers", "1\n"),
        ("fastembed", "2 (384,)\n"),
        ("Chroma's default function", "[['1']]\n"),
        ("The OpenAI client", "2\n"),
        ("transformers.js", ""),
    ],
)
def test_after(
    name: str,
    printed: str,
    runner: Callable[[Section], Runner],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    before, after = sides(name)
    if before.language == "python":
        ast.parse(before.code)
    assert runner(Section(COMING_FROM, name, [after])).run(after) == printed


def test_coming_from_has_no_section_without_a_test() -> None:
    tested = test_after.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert [section.heading for section in sections(COMING_FROM)] == [name for name, _ in tested]


def test_the_command_line_page_names_every_command_and_every_option() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    parts = dict(zip(*[iter(re.split(r"^## (.*)$", page, flags=re.MULTILINE)[1:])] * 2, strict=True))
    [commands] = [action.choices for action in make_parser()._actions if action.choices]
    common = parts["Options of every command"]
    for name, parser in dict(commands).items():
        for action in parser._actions:
            for option in action.option_strings or [action.metavar]:
                if option not in ("-h", "--help") and not option.startswith("--no-"):
                    assert f"`{option}" in parts[f"minilm {name}"] + common, f"{option} of minilm {name}"


def test_the_http_page_names_every_route_field_limit_and_error(model: MiniLM) -> None:
    pytest.importorskip("fastapi", reason="fastapi is not installed; the extra serve brings it")
    from minilm.server.app import create_app

    page = (ROOT / "docs" / "http-api.md").read_text("utf-8")
    schema = create_app(model).openapi()
    for path in schema["paths"]:
        assert f"{path}`" in page
    for name, request in schema["components"]["schemas"].items():
        if name.endswith("Request"):
            for field in request["properties"]:
                assert f"`{field}`" in page, f"{field} of {name}"
    source = "".join(path.read_text("utf-8") for path in (ROOT / "minilm" / "server").rglob("*.py"))
    for code in re.findall(r'code="(\w+)"', source):
        assert f"`{code}`" in page, code


def test_the_tables_of_results_are_what_the_results_say() -> None:
    for page in report.PAGES:
        text = (ROOT / page).read_text("utf-8")
        assert text == report.fill(text), f"{page}: `python -m benchmarks.report` writes it"
