"""What a machine may lack: each thing is taken away, mostly from a process of its own, and the result stays.

Not x86 and its vector units, not OpenBLAS, not Linux, not a home, not /proc, not a terminal, not UTF-8 as the
locale, not even stdin, stdout and stderr.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import re
import shutil
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import MiniLM, encoder, hub
from minilm import _files as files
from minilm.fast import blas
from minilm.pooling import mean_pooling, normalize
from minilm.tokenizer import pad
from tests.parity.texts import of_length
from tests.promises.processes import NO_CACHE, ROOT, SCORE, WITHOUT, A, B, minilm, posix, run

# Token counts on both sides of every way that packed.py takes: one, few, and more than 128 and 384.
TEXTS = ["short", A, B, "Ein Mädchen kämmt ihr Haar; 中文.", of_length(100), of_length(250)]

# As in the README: each vector's largest error, in this or any other environment, and between two of them
# three units in the last place of 0.25 (measured: 1.5e-7 to the truth, 1.8e-7 between two).
TO_THE_TRUTH = 1e-6
TO_EACH_OTHER = 3e-7

CHILD = """
import json, sys
{before}
import numpy as np
from minilm import MiniLM
texts = json.loads(sys.argv[1])
model = MiniLM({arguments})
vectors = model.encode(texts)
alone = np.array([model.encode(text) for text in texts])
np.save(sys.argv[2], np.array([vectors, alone]))
{after}
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux has it; elsewhere it is always lacking")


@pytest.fixture(scope="module")
def here(model: MiniLM) -> np.ndarray:
    """The vectors of this process, (n, E)."""
    return np.asarray(model.encode(TEXTS))


@pytest.fixture(scope="module")
def truth(model: MiniLM, float64_parameters: dict[str, np.ndarray]) -> np.ndarray:
    """The vectors by encoder.py in double precision, (n, E)."""
    rows = []
    for ids in model.tokenizer.texts(TEXTS).input_ids:
        input_ids, mask = pad([ids])
        states = encoder.encode(input_ids, mask, float64_parameters, model.config)
        rows.append(normalize(mean_pooling(states, mask))[0])
    return np.array(rows)


class Elsewhere:
    """Encodes TEXTS in another environment and holds the vectors to the truth and to those of this one."""

    def __init__(self, path: Path, here: np.ndarray, truth: np.ndarray) -> None:
        self._path, self._here, self._truth = path, here, truth

    def check(
        self,
        *,
        before: str = "",
        after: str = "",
        arguments: str = "",
        under: tuple[str, ...] = (),
        **environment: str | None,
    ) -> str:
        """What the process printed, once its vectors are right."""
        code = CHILD.format(before=before, after=after, arguments=arguments)
        # under the developer's warnings nothing is said that need not be
        command = [*under, sys.executable, "-W", "error", "-c", code, json.dumps(TEXTS), str(self._path)]
        result = run(*command, PYTHONPATH=str(ROOT), **environment)
        assert result.returncode == 0, result.stderr.decode()
        for vectors in np.load(self._path):  # together, and each alone
            assert np.abs(vectors - self._truth).max() <= TO_THE_TRUTH
            assert np.abs(vectors - self._here).max() <= TO_EACH_OTHER
        return result.stdout.decode()


@pytest.fixture
def elsewhere(tmp_path: Path, here: np.ndarray, truth: np.ndarray) -> Elsewhere:
    return Elsewhere(tmp_path / "vectors.npy", here, truth)


# ---------------------------------------------------------------------------------------------------------
# The processor and its mathematics

# OpenBLAS's kernels for x86-64, each with the feature (numpy's name, or that of Linux) that a CPU must have.
# The OpenBLAS of numpy 2.0 has them all; that of 2.4 has five, and takes a relative's for the others.
KERNELS = {
    "Prescott": "SSE3",
    "Core2": "SSSE3",
    "Barcelona": "SSE3",
    "Nehalem": "SSE42",
    "Sandybridge": "AVX",
    "Bulldozer": "FMA4",
    "Piledriver": "FMA4",
    "Steamroller": "FMA4",
    "Excavator": "FMA4",
    "Haswell": "AVX2",
    "Zen": "AVX2",
    "SkylakeX": "AVX512_SKX",
    "Cooperlake": "AVX512_BF16",
    "SapphireRapids": "AMX_BF16",
}
# of the shapes and types of the encoder, for some kernels crash at some of them only
PRODUCTS = """
import numpy as np
for kind in (np.float32, np.float64):
    for rows in (1, 9, 64, 300):
        a, b = np.ones((rows, 384), kind), np.ones((384, 1536), kind)
        a @ b, (a @ b) @ b.T, a @ a.T, a[:, :32] @ a[:, :32].T
"""
IN_USE = "from minilm.fast.blas import blas_info; print(blas_info().kernel)"
FEATURES = "from numpy._core._multiarray_umath import __cpu_features__ as has, __cpu_dispatch__ as dispatch"


def cpu_has(feature: str) -> bool:
    cpus = Path("/proc/cpuinfo")  # numpy 2.0 knows nothing of bfloat16
    known_to_linux = cpus.exists() and feature.lower() in cpus.read_text().split()
    return bool(numpys("__cpu_features__").get(feature)) or known_to_linux


def numpys(name: str) -> Any:
    """What numpy knows of the CPU, in the module where NPY_DISABLE_CPU_FEATURES has its effect."""
    return getattr(importlib.import_module("numpy._core._multiarray_umath"), name)


def is_openblas_on_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64") and blas.blas_info().library == "openblas"


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_vectors_are_the_same_under_every_kernel_of_openblas(elsewhere: Elsewhere, kernel: str) -> None:
    if not is_openblas_on_x86():
        pytest.skip("numpy does not run on OpenBLAS for x86")
    if not cpu_has(KERNELS[kernel]):
        pytest.skip(f"this CPU cannot run OpenBLAS's {kernel} kernels")
    chosen: dict[str, Any] = {"OPENBLAS_CORETYPE": kernel, "OPENBLAS_L2_SIZE": None}
    products = f"{PRODUCTS}\n{IN_USE}"
    bare = run(sys.executable, "-c", products, PYTHONPATH=str(ROOT), **chosen)
    if bare.returncode < 0:
        # numpy 2.5.5 does on Prescott's and Haswell's
        pytest.skip(f"numpy by itself crashes on OpenBLAS's {kernel} kernels here")
    assert bare.returncode == 0, bare.stderr.decode()
    found = bare.stdout.decode().strip()
    if found != kernel and (kernel, found) != ("Prescott", "Katmai"):  # as OpenBLAS 0.3.31 calls its oldest
        pytest.skip(f"this OpenBLAS has no {kernel} kernels, and takes those for {found}")
    assert elsewhere.check(after=IN_USE, **chosen).strip() == found


def test_the_vectors_are_the_same_without_vector_units_in_numpy(elsewhere: Elsewhere) -> None:
    known = numpys("__cpu_features__")
    features = [name for name in numpys("__cpu_dispatch__") if known[name]]
    if not features:
        pytest.skip("numpy has nothing to choose from on this CPU")
    left = f"{FEATURES}; print([name for name in dispatch if has[name]])"
    assert elsewhere.check(after=left, NPY_DISABLE_CPU_FEATURES=" ".join(features)).strip() == "[]"
    if is_openblas_on_x86():  # and the oldest kernels as well: an x86 of 2008
        elsewhere.check(NPY_DISABLE_CPU_FEATURES=" ".join(features), OPENBLAS_CORETYPE="Nehalem")


def test_the_vectors_are_the_same_on_a_blas_that_threadpoolctl_does_not_know(elsewhere: Elsewhere) -> None:
    unknown = (
        "import threadpoolctl\n"
        "threadpoolctl.threadpool_info = list\n"
        "threadpoolctl.ThreadpoolController._load_libraries = lambda self: None\n"
    )
    seen = "from minilm.fast.blas import _blas_library as seen; print(seen(), end=' '); " + IN_USE
    assert elsewhere.check(before=unknown, after=seen).strip() == "None unknown"


def test_a_numpy_without_simd_information_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "show_config", lambda mode: {})  # noqa: ARG005 - the function's argument
    assert blas._cpu_has_avx512() is False


@pytest.mark.parametrize("number", ["1", "64"])
def test_the_vectors_are_the_same_whatever_threads_blas_is_told_to_take(
    elsewhere: Elsewhere, number: str
) -> None:
    elsewhere.check(OMP_NUM_THREADS=number, OPENBLAS_NUM_THREADS=number, MKL_NUM_THREADS=number)


# ---------------------------------------------------------------------------------------------------------
# The operating system


@linux
def test_one_core_by_affinity_is_one_thread_and_the_same_vectors(elsewhere: Elsewhere) -> None:
    pin = "import os; os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])"
    assert elsewhere.check(before=pin, after="print(model.threads)").strip() == "1"


def test_the_package_works_without_posix_only_functions(elsewhere: Elsewhere) -> None:
    """Nothing here asks for the platform's name; it is what is there that counts."""
    lacking = ("sched_getaffinity", "sched_setaffinity", "posix_fadvise", "memfd_create", "getrandom")
    before = f"import os, random, numpy, threadpoolctl, tokenizers\nfor name in {lacking}:\n"
    before += "    if hasattr(os, name): delattr(os, name)"
    assert elsewhere.check(before=before, after="print(model.threads)").strip() == str(os.cpu_count())


def test_only_listed_modules_branch_on_the_platform() -> None:
    package = ROOT / "minilm"
    name = re.compile(r"sys\.platform|os\.name|uname\(|platform\.system\(\) *(?:[!=]=|in )")
    branching = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if name.search(path.read_text("utf-8"))
    }
    # that a directory cannot be opened, what a backslash is, and what SO_REUSEADDR means; all are faked
    assert branching == {"_files.py", "check/targets/command.py", "server/sockets.py"}


def test_the_command_works_without_what_windows_lacks() -> None:
    result = run(sys.executable, "-c", WITHOUT, "compare", A, B, PYTHONPATH=str(ROOT))
    assert (result.returncode, result.stdout, result.stderr) == (0, SCORE, b"")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--workers", "2"],
            "--workers must be 1 on this system, which cannot fork: start a server per port",
        ),
        (
            ["--uds", "socket"],
            "--uds needs Unix sockets, which Python does not have here: give --host and --port",
        ),
    ],
)
def test_workers_and_sockets_are_refused_where_the_system_has_none(options: list[str], message: str) -> None:
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    result = run(sys.executable, "-c", WITHOUT, "serve", *options, PYTHONPATH=str(ROOT))
    assert (result.returncode, result.stdout, result.stderr) == (2, b"", f"minilm: {message}\n".encode())


def branches() -> set[tuple[str, str]]:
    """Each module's questions about the system, as docs/platforms.md has them."""
    asked = re.compile(
        r"""sys\.platform|os\.name\b|hasattr\((os|signal|socket), ("\w+"|name)\)""",
    )
    found = set()
    for path in (ROOT / "minilm").rglob("*.py"):
        for match in asked.finditer(path.read_text("utf-8")):
            name = (
                (match[2] or "").strip('"').replace("name", "SIGHUP")
            )  # a loop over signals; all have the others
            question = f"{match[1]}.{name}" if match[1] else match[0]
            found.add((path.relative_to(ROOT / "minilm").as_posix(), question))
    return found


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="only a source checkout has docs")
def test_the_page_has_every_branch_on_the_system_and_its_test() -> None:
    page = (ROOT / "docs" / "platforms.md").read_text("utf-8")
    assert branches() == set(re.findall(r"^\| `([\w/]+\.py)` \| `([\w.]+)` \|", page, re.MULTILINE))
    written = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    rows = re.findall(r"^\| .+ \| (.+) \|$", page, re.MULTILINE)
    tests = [last for last in rows if last != "test on Linux"]
    assert len(tests) > 20
    assert [test for test in tests if test != "not tested" and f"def {test.strip('`')}(" not in written] == []


@linux
def test_neither_proc_nor_sys_is_needed(elsewhere: Elsewhere) -> None:
    hidden = "mount -t tmpfs none /proc && mount -t tmpfs none /sys"
    unshare = shutil.which("unshare")
    if unshare is None or run(unshare, "--mount", "sh", "-c", hidden).returncode:
        pytest.skip("a mount namespace cannot be had here")
    under = (unshare, "--mount", "sh", "-c", hidden + ' && exec "$@"', "sh")
    left = "import os; print(os.listdir('/proc'), os.listdir('/sys'))"
    assert elsewhere.check(under=under, after=left).strip() == "[] []"


def test_where_a_directory_cannot_be_opened_files_land_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError("Windows opens no directories")

    monkeypatch.setattr(files, "os", types.SimpleNamespace(name="nt", fsync=os.fsync, open=refuse))
    files.write_json(tmp_path / "file.json", {"a": 1})
    assert json.loads((tmp_path / "file.json").read_bytes()) == {"a": 1}


def test_csv_is_read_where_a_c_long_has_32_bits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import csv

    from minilm.corpus.rows import Corpus

    def limit(size: int) -> None:
        if size >= 2**31:
            raise OverflowError("Python int too large to convert to C long")

    monkeypatch.setattr(csv, "field_size_limit", limit)
    (tmp_path / "a.csv").write_text("text\nhello\n", "utf-8")
    assert [row.text for row in Corpus([str(tmp_path / "a.csv")])] == ["hello"]


def test_only_posix_lets_a_server_take_a_port_that_another_has_just_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On Windows that option would let two servers listen on one port at a time."""
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    import socket

    from minilm.server import sockets

    for name, expected in (("posix", True), ("nt", False)):
        monkeypatch.setattr(sockets, "os", types.SimpleNamespace(name=name))
        with sockets.listen("127.0.0.1", 0) as listener:
            assert bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)) is expected


# ---------------------------------------------------------------------------------------------------------
# Home and network


def link_weights(model: MiniLM, directory: Path) -> None:
    """The pinned files, wherever this machine has them, under another directory."""
    for name in hub.default_manifest().sha256:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(model.checkpoint.directory.resolve() / name)


@pytest.fixture
def checkout(model: MiniLM, tmp_path: Path) -> Path:
    """A source checkout with the weights in its store, which this one's need not be."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "minilm", root / "minilm", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "pyproject.toml").write_text('[project]\nname = "minilm"\n')
    manifest = ROOT / "weights" / "manifest.json"
    link_weights(model, root / "weights" / hub.default_manifest().name)
    shutil.copy(manifest if manifest.is_file() else ROOT / "minilm" / "manifest.json", root / "weights")
    return root


@pytest.mark.parametrize("home", [None, os.devnull, "/nowhere"])
def test_no_home_is_needed_where_the_weights_are_in_the_store(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    monkeypatch.chdir(checkout)
    result = minilm("compare", A, B, HOME=home, USERPROFILE=home, HF_HUB_OFFLINE="1", **NO_CACHE)
    assert (result.returncode, result.stdout, result.stderr) == (0, SCORE, b"")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """A home, and what runs a command in the directory above it while the home may not be written to."""
    home = tmp_path / "home"
    home.mkdir()
    if os.geteuid() != 0:
        yield home, ("sh", "-c", 'chmod -R a-w "$HOME" && cd "$HOME/.." && exec "$@"', "sh")
        run("chmod", "-R", "u+w", str(home))
        return
    # root is bound by a mount only
    mount = 'mount --bind "$HOME" "$HOME" && mount -o remount,bind,ro "$HOME"'
    unshare = shutil.which("unshare")
    if unshare is None or run(unshare, "--mount", "sh", "-c", mount, HOME=str(home)).returncode:
        pytest.skip("a mount namespace cannot be had here")
    yield home, (unshare, "--mount", "sh", "-c", mount + ' && cd "$HOME/.." && exec "$@"', "sh")


@pytest.fixture
def elsewhere_installed(tmp_path: Path) -> Path:
    """The package as in site-packages, with its manifest and without a store beside it."""
    site = tmp_path / "site"
    shutil.copytree(ROOT / "minilm", site / "minilm", ignore=shutil.ignore_patterns("__pycache__"))
    if (manifest := ROOT / "weights" / "manifest.json").is_file():
        shutil.copy(manifest, site / "minilm")
    return site


@posix
@pytest.mark.parametrize("place", ["store", "home", "HF_HOME", "nowhere"])
def test_a_read_only_home_is_enough_or_named_with_what_to_do(
    model: MiniLM,
    read_only: tuple[Path, tuple[str, ...]],
    checkout: Path,
    elsewhere_installed: Path,
    tmp_path: Path,
    place: str,
) -> None:
    home, under = read_only
    hugging_face = {"home": home / ".cache" / "huggingface", "HF_HOME": tmp_path / "hf"}.get(place)
    if hugging_face:
        manifest = hub.default_manifest()
        snapshots = hugging_face / f"hub/models--{manifest.repo_id.replace('/', '--')}/snapshots"
        link_weights(model, snapshots / manifest.revision)
    result = run(
        *(*under, sys.executable, "-m", "minilm", "compare", A, B),
        **{**NO_CACHE, "HF_HOME": str(hugging_face) if place == "HF_HOME" else None},
        PYTHONPATH=str(checkout if place == "store" else elsewhere_installed),
        HOME=str(home),
        # nothing that is asked for should go further than this machine
        HF_HUB_OFFLINE=None,
        HF_ENDPOINT="http://127.0.0.1:9",
        PIP_NO_INDEX="1",
    )
    if place != "nowhere":
        assert (result.returncode, result.stdout, result.stderr) == (0, SCORE, b"")
        return
    assert (result.returncode, result.stdout, result.stderr.count(b"\n")) == (1, b"", 1)
    said = result.stderr.decode()
    why = r"cannot be written: (Read-only file system|Permission denied) \(HF_HOME can name another place\)"
    assert re.search(rf"Hugging Face cache \({home}/\.cache/huggingface/hub/\S+\): {why}", said)
    assert list(home.rglob("*")) == []


# ---------------------------------------------------------------------------------------------------------
# Python's own switches


@pytest.mark.parametrize(
    "switches",
    ["-I", "-OO", "-W error", "-X dev -W error", "-X warn_default_encoding -W error::EncodingWarning"],
)
def test_no_switch_of_python_changes_the_answer(switches: str) -> None:
    environment = {name: None for name in os.environ if name.startswith("PYTHON")}
    result = run(sys.executable, *switches.split(), "-m", "minilm", "compare", A, B, **environment)
    if switches == "-I" and b"No module named minilm" in result.stderr:
        pytest.skip("minilm is not installed, only in the current directory")
    assert (result.returncode, result.stdout, result.stderr) == (0, SCORE, b"")


# ---------------------------------------------------------------------------------------------------------
# The locale

ASCII_LOCALE = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LOCALES = {
    "C": ASCII_LOCALE,
    "C, stdout as Latin-1": {**ASCII_LOCALE, "PYTHONIOENCODING": "latin-1"},
    "UTF-8": {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"},
}
locales = pytest.mark.parametrize("locale", LOCALES)
UMLAUT, CHINESE = "Über den Äther", "中文 текст"


@posix
@locales
def test_texts_on_the_command_line_are_utf8_in_any_locale(model: MiniLM, locale: str) -> None:
    result = minilm("compare", UMLAUT.encode(), CHINESE.encode(), "--json", **LOCALES[locale])
    assert (result.returncode, result.stderr) == (0, b"")
    expected = np.prod(model.encode([UMLAUT, CHINESE]).astype(np.float64), axis=0).sum()
    # two float32 vectors, each of length 1, in another process
    assert abs(json.loads(result.stdout)["score"] - expected) <= TO_EACH_OTHER


@posix
@locales
def test_bytes_that_are_no_text_are_refused_in_one_line(locale: str) -> None:
    result = minilm("compare", A, b"half \xff", **LOCALES[locale])
    assert (result.returncode, result.stdout, result.stderr.count(b"\n")) == (1, b"", 1)
    assert rb"lone surrogate '\udcff' at position 5" in result.stderr


@posix
@locales
def test_files_and_their_names_are_read_and_written_in_any_locale(locale: str, tmp_path: Path) -> None:
    source, output = os.fsencode(tmp_path) + b"/\xc3\xa9.txt", os.fsencode(tmp_path) + b"/\xff.jsonl"
    Path(os.fsdecode(source)).write_bytes(f"{UMLAUT}\n{CHINESE}\n".encode())
    result = minilm("encode", source, "-o", output, "--quiet", **LOCALES[locale])
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    written = [json.loads(line) for line in Path(os.fsdecode(output)).read_bytes().splitlines()]
    assert [row["text"] for row in written] == [UMLAUT, CHINESE]
    streamed = minilm("encode", source, **LOCALES[locale])
    assert [json.loads(line)["text"] for line in streamed.stdout.splitlines()] == [UMLAUT, CHINESE]
    # goes on from its own manifest, which holds the names
    assert minilm("encode", source, "-o", output, **LOCALES[locale]).returncode == 0

    found = minilm("search", output, CHINESE.encode(), "--json", **LOCALES[locale])
    assert (found.returncode, found.stderr) == (0, b"")
    assert [hit["text"] for hit in json.loads(found.stdout)["hits"]] == [CHINESE, UMLAUT]
    shown = minilm("search", output, CHINESE.encode(), **LOCALES[locale])
    first = CHINESE if locale == "UTF-8" else CHINESE.encode("ascii", "backslashreplace").decode()
    assert shown.stdout.splitlines()[0] == f"1.0000  1  {first}".encode()
    assert minilm("search", output + b"x", "q", **LOCALES[locale]).stderr.count(b"\n") == 1


# ---------------------------------------------------------------------------------------------------------
# Standard streams that are closed, or full


def with_streams(redirections: str, *arguments: str) -> tuple[int, bytes, bytes]:
    command = ["sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-m", "minilm", *arguments]
    result = run(*command)
    return result.returncode, result.stdout, result.stderr


@posix
@pytest.mark.parametrize(
    ("redirections", "arguments", "expected"),
    [
        ("<&-", ["compare", A, B], (0, SCORE, b"")),
        ("2>&-", ["compare", A, B], (0, SCORE, b"")),
        ("<&- 2>&-", ["compare", A, B], (0, SCORE, b"")),
        (">&-", ["compare", A, B], (1, b"", b"minilm: there is nowhere to write to: stdout is closed\n")),
        ("<&- >&- 2>&-", ["compare", A, B], (1, b"", b"")),
        ("2>&-", ["compare", A, ""], (2, b"", b"")),  # the error is lost; stdout is not taken for it
        ("<&-", ["encode"], (1, b"", b"minilm: there is nothing to read: stdin is closed\n")),
    ],
)
def test_a_closed_stream_does_not_crash(
    redirections: str, arguments: list[str], expected: tuple[int, bytes, bytes]
) -> None:
    assert with_streams(redirections, *arguments) == expected


@posix
def test_an_output_never_takes_the_number_of_a_closed_stream(tmp_path: Path, here: np.ndarray) -> None:
    """Or else what a library says on "stderr" would go into it."""
    source, output = tmp_path / "texts.txt", tmp_path / "vectors.npy"
    source.write_text("\n".join(TEXTS), "utf-8")
    code, _, _ = with_streams("<&- >&- 2>&-", "encode", str(source), "-o", str(output))
    assert code == 0
    assert np.abs(np.load(output) - here).max() <= TO_EACH_OTHER


@linux
def test_a_full_disk_behind_stdout_is_a_failure() -> None:
    code, _, stderr = with_streams(">/dev/full", "compare", A, B)
    assert (code, stderr.count(b"\n")) == (1, 1)
    assert b"No space left on device" in stderr
