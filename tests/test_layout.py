"""The layout of the package: its wings, the sizes of its files, its names, and a test file per module.

The contracts about imports are in pyproject.toml; ``lint-imports`` checks them.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import minilm

PACKAGE = Path(minilm.__file__).parent
TESTS = Path(__file__).parent
WINGS = {
    "check",
    "checkpoint",
    "cli",
    "corpus",
    "documents",
    "fast",
    "hub",
    "integrations",
    "server",
    "text",
    "trace",
}
MAX_FILES = 28
MAX_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_TEXTBOOK_LINES = 199  # of encoder.py: README says so
MAX_SENTENCE_WORDS = 35

MODULES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in MODULES.items()}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def check(violations: Iterable[str], remedy: str) -> None:
    """Fail with all violations, one per line, and what to do about them."""
    lines = sorted(violations)
    assert not lines, "\n  ".join([f"{remedy}:", *lines])


def code_lines(function: Function) -> int:
    """The lines of a function from its ``def`` to its end, without its docstring."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or 0) - docstring.lineno + 1
    return lines


def imported_names(tree: ast.Module) -> Iterator[str]:
    """The full dotted name of everything that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{alias.name}" for alias in node.names)


def test_the_package_has_eleven_wings_and_few_files_beside_them() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == WINGS
    # an installed package has a manifest.json as well
    files = [path.name for path in PACKAGE.iterdir() if path.suffix == ".py" or path.name == "py.typed"]
    assert len(files) <= MAX_FILES, f"more than {MAX_FILES} files in minilm/: {sorted(files)}"


def test_no_module_is_long() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}
    long = {name for name, lines in lengths.items() if lines > MAX_LINES}
    check(long, f"over {MAX_LINES} lines; split the module by idea")


def test_the_textbooks_bert_is_short() -> None:
    assert len(MODULES["encoder.py"].read_text("utf-8").splitlines()) <= MAX_TEXTBOOK_LINES


def test_no_function_is_long() -> None:
    long = {
        f"{name} {node.name}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, Function) and code_lines(node) > MAX_FUNCTION_LINES
    }
    remedy = f"over {MAX_FUNCTION_LINES} lines without its docstring; split the function"
    check(long, remedy)


def test_no_init_defines_anything() -> None:
    assignments = {"__all__", "__version__"}
    defining = set()
    for name, tree in TREES.items():
        for node in tree.body if name.endswith("__init__.py") else []:
            is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            names = {ast.unparse(t) for t in node.targets} if isinstance(node, ast.Assign) else {""}
            is_allowed = names <= assignments
            if not (is_docstring or is_allowed or isinstance(node, ast.Import | ast.ImportFrom)):
                defining.add(name)
    remedy = "an __init__ has a docstring, imports, __all__ and __version__ only; move the code to a module"
    check(defining, remedy)


def test_no_name_is_defined_in_two_modules() -> None:
    """A name means one thing, so that a search for it has one answer."""
    modules = defaultdict(set)
    for name, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, Definition):
                modules[node.name].add(name)
    shared = {
        f"{name} in {' and '.join(sorted(places))}" for name, places in modules.items() if len(places) > 1
    }
    check(shared, "a class or function name in two modules; rename one")


def test_every_module_has_its_test_file() -> None:
    expected = {str(Path(name).with_name(f"test_{Path(name).name}")) for name in MODULES}
    # a protocol's requests and answers are tested with its routes
    expected = {name.replace("server/schemas/", "server/routes/") for name in expected}
    expected.add("server/schemas/test_requests.py")  # what those of all protocols share
    expected.discard("server/routes/test_requests.py")
    missing = {name for name in expected if not (TESTS / name).is_file() and not name.endswith("__init__.py")}
    missing.discard("test___main__.py")  # tests/cli/test_main.py runs `python -m minilm`
    check(missing, "a module without its test file; add it to tests/")


def test_no_test_imports_another_test() -> None:
    imports = {
        f"{path.relative_to(TESTS)} {name}"
        for path in TESTS.rglob("*.py")
        for name in imported_names(ast.parse(path.read_text("utf-8")))
        if name.startswith("tests.") and any(part.startswith("test_") for part in name.split(".")[:-1])
    }
    remedy = "a test imports another test; move what they share to a helper module with a name of its own"
    check(imports, remedy)


def test_import_star_brings_what_all_names() -> None:
    names: dict[str, object] = {}
    exec("from minilm import *", names)
    names.pop("__builtins__")
    assert set(names) == set(minilm.__all__)
    assert len(minilm.__all__) == len(set(minilm.__all__))
    public = {name for name in vars(minilm) if not name.startswith("_")}
    modules = {name.partition("/")[0].removesuffix(".py") for name in MODULES}
    assert public - modules <= {*minilm.__all__, "annotations"}


def test_imports_are_absolute_and_take_nothing_private() -> None:
    relative, private = set(), set()
    for module, tree in TREES.items():
        for name in imported_names(tree):
            if name.startswith("."):
                relative.add(f"{module} {name}")
            is_private = name.startswith("minilm.") and re.search(r"\._(?!_)\w+$", name)
            if is_private and not (PACKAGE.parent / f"{name.replace('.', '/')}.py").is_file():
                private.add(f"{module} {name}")
    check(relative, "a relative import; write it from minilm on")
    check(private, "a private name of another module; make it public there")


def paragraphs(source: str) -> Iterator[str]:
    """The paragraphs of prose in docstrings, and the comments that have lines of their own."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | Definition):
            yield from re.split(r"\n\s*\n", ast.get_docstring(node) or "")
    yield from (
        re.sub(r"\n *# ?", " ", block) for block in re.findall(r"(?:^ *#.*\n)+", source, re.MULTILINE)
    )


def test_no_sentence_is_long() -> None:
    """A colon or a semicolon ends a sentence here. Examples, tables and references are not prose."""
    long = set()
    for name, path in MODULES.items():
        for text in paragraphs(path.read_text("utf-8")):
            if not re.search(r">>>|::|^\.\. \[|[-=]{3,}", text, re.MULTILINE):
                sentences = (sentence.split() for sentence in re.split(r"(?<=[.!?:;])\s", text))
                long |= {f"{name}: {' '.join(s)}" for s in sentences if len(s) > MAX_SENTENCE_WORDS}
    check(long, f"over {MAX_SENTENCE_WORDS} words; make it two sentences")
