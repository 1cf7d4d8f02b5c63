"""From a model's name or directory to a checkpoint on this machine."""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import replace
from itertools import chain
from pathlib import Path

from minilm.checkpoint.files import directory_files
from minilm.errors import CheckpointError, CheckpointNotFoundError
from minilm.hub.default_model import find_pinned, other_snapshots, pinned_places
from minilm.hub.manifest import DEFAULT_MODEL, Checkpoint, default_manifest
from minilm.hub.repositories import find_unpinned

# The repositories of BERT itself, whose names on the Hub have no owner.
_BERT = re.compile(
    r"bert-base-(cased(-finetuned-mrpc)?|uncased|chinese|multilingual-(un)?cased|german-(cased|dbmdz-(un)?cased))"
    r"|bert-large-(un)?cased(-whole-word-masking(-finetuned-squad)?)?",
    re.IGNORECASE,
)
_REPO_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)


def find_checkpoint(
    name_or_path: str | os.PathLike[str] = DEFAULT_MODEL,
    *,
    revision: str | None = None,
    cache_folder: str | Path | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    organization: str = "sentence-transformers",
) -> Checkpoint:
    """Find a checkpoint on this machine, or download it, and check its files.

    Parameters
    ----------
    name_or_path : str or PathLike
        A directory, or a repository on the Hugging Face Hub. "all-MiniLM-L6-v2" is short for
        "sentence-transformers/all-MiniLM-L6-v2". A str that fits both is the directory, if it exists. Only
        the default model's full name always means the repository. A directory of that name is
        "./sentence-transformers/all-MiniLM-L6-v2", or a Path.
    revision : str, optional
        Branch, tag or commit on the Hub. None is the pinned revision for the default model, and "main" for
        others. A directory has no revision.
    cache_folder : str or Path, optional
        A Hugging Face cache other than the user's own, which ``SENTENCE_TRANSFORMERS_HOME``,
        ``HF_HUB_CACHE`` and ``HF_HOME`` may name. With it, the store of a source checkout is neither read nor
        written.
    local_files_only : bool
        Do not use the network. The environment variable ``HF_HUB_OFFLINE=1`` has the same effect.
    token : str or bool, optional
        The access token for a private or gated repository. None or True is the token of ``hf auth login`` or
        ``HF_TOKEN``, and False is none.
    organization : str
        The owner of a repository that is named without one: "cross-encoder" for a cross-encoder. BERT's own
        repositories, such as "bert-base-uncased", have no owner.

    Returns
    -------
    Checkpoint

    Raises
    ------
    CheckpointNotFoundError
        If no place has it. The message lists the places with their reasons, and says what to do.
    CheckpointError
        If a directory cannot be read, lacks a required file, or has something else in place of a file.
    ValueError
        If the home directory in ``cache_folder`` does not exist, or a directory is given a ``revision``.
    """
    if directory := _local_directory(name_or_path):
        if revision is not None:
            raise ValueError(
                f"revision {revision!r} is for a repository on the Hugging Face Hub, and "
                f"{os.fspath(name_or_path)!r} is a directory on this machine"
            )
        return _complete_checkpoint(directory)
    repo_id = _repo_id(name_or_path, organization)
    if cache_folder is not None:
        try:
            cache_folder = Path(cache_folder).expanduser()  # parts of huggingface_hub do not do this
        except RuntimeError as error:
            raise ValueError(f"cache_folder {str(cache_folder)!r}: {error}") from None
    manifest = default_manifest()
    is_default_model = repo_id == manifest.repo_id
    if is_default_model and revision in (None, manifest.revision):
        return find_pinned(manifest, cache_folder, local_files_only, token)
    checkpoint = find_unpinned(repo_id, revision or "main", cache_folder, local_files_only, token)
    # a branch or tag may lead to the pinned revision
    return replace(checkpoint, is_default=is_default_model and checkpoint.revision == manifest.revision)


def likely_directory(
    name_or_path: str | os.PathLike[str] = DEFAULT_MODEL,
    *,
    revision: str | None = None,
    cache_folder: str | Path | None = None,
) -> Path | None:
    """The directory where :func:`find_checkpoint` will probably find the default model; else None.

    Only the sizes of the files are compared. A hash of 87 MiB takes as long as reading the files into the
    encoder, so a caller can do both at once. The caller must use nothing before :func:`find_checkpoint` has
    returned the same directory.
    """
    if name_or_path != DEFAULT_MODEL:
        return None
    manifest = default_manifest()
    if revision not in (None, manifest.revision):
        return None
    for place in chain(pinned_places(manifest, cache_folder), other_snapshots(manifest, cache_folder)):
        try:
            sizes = {name: (place.directory / name).stat().st_size for name in manifest.sizes}
        except OSError:
            continue
        if sizes == manifest.sizes:
            return place.directory
    return None


def is_repository_name(name: str) -> bool:
    """Whether ``name`` could be the name of a repository on the Hugging Face Hub."""
    return bool(_REPO_ID.fullmatch(name)) and len(name) <= 96


def _local_directory(name_or_path: str | os.PathLike[str]) -> Path | None:
    if name_or_path == DEFAULT_MODEL or not os.fspath(name_or_path):  # Path("") is the current directory
        return None
    try:
        path = Path(name_or_path).expanduser()
        return path if stat.S_ISDIR(path.stat().st_mode) else None
    except (RuntimeError, ValueError):  # the home directory of an unknown user, or a null character
        return None
    except OSError as error:
        # a possible repository name is looked up elsewhere, whatever is wrong with the path
        may_be_repository = isinstance(name_or_path, str) and _REPO_ID.fullmatch(name_or_path)
        if may_be_repository or error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return None
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error


def _complete_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in a directory, with all required files."""
    directory_files(path)
    if str(path) == DEFAULT_MODEL:  # as a str, this relative path would mean the default model
        path = path.absolute()
    return Checkpoint(path, "directory")


def _repo_id(name_or_path: str | os.PathLike[str], organization: str) -> str:
    name = os.fspath(name_or_path)
    if not isinstance(name_or_path, str) or not is_repository_name(name):
        raise CheckpointNotFoundError(
            f"{name!r} is neither a directory on this machine nor a repository's name on the Hugging Face Hub"
        )
    return name if "/" in name or _BERT.fullmatch(name) else f"{organization}/{name}"
