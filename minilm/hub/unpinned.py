"""Repositories that minilm knows nothing of beforehand: the Hub's own cache, and its own hashes."""

from __future__ import annotations

from pathlib import Path

from minilm.hub.errors import Unavailable, not_found, one_line
from minilm.hub.huggingface import is_offline, probe, repo_cache
from minilm.hub.landing import is_full
from minilm.hub.manifest import OPTIONAL_FILES, REQUIRED_FILES, Checkpoint, dense_files
from minilm.hub.verification import check_blob_name


def find_unpinned(
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
    asked = revision
    offline = is_offline(local_files_only)
    cache = _cache(repo_id, cache_dir)
    if offline:
        reasons.append("Hugging Face Hub: not asked, because offline use was requested")
    else:
        try:
            probe(repo_id, revision, token)
        except Unavailable as reason:
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
            raise not_found(repo_id, reasons, asked) from error
        except EntryNotFoundError as error:
            if name in OPTIONAL_FILES:
                continue
            reasons.append(f"{place}: the repository has no {name} at revision {revision}")
            raise not_found(repo_id, reasons, asked) from error
        except Exception as error:  # network, disk, a gated repository: huggingface_hub raises many kinds
            if isinstance(error, OSError) and is_full(error):
                place = f"Hugging Face cache ({cache})"
            reasons.append(f"{place}: {name} of revision {revision}: {one_line(error)}")
            raise not_found(repo_id, reasons, asked) from error
        if not found:
            revision = Path(path).parent.name  # the commit, or else a branch that moves meanwhile mixes two
        found.append(Path(path))
        verified = check_blob_name(found[-1]) and verified
        if name == "modules.json":
            names += dense_files(found[-1].parent)
    directory = found[0].parent
    return Checkpoint(directory, place.partition(" (")[0], repo_id, directory.name, verified=verified)


def _cache(repo_id: str, cache_dir: str | Path | None) -> Path:
    try:
        return repo_cache(repo_id, cache_dir)
    except Unavailable as reason:
        raise not_found(repo_id, [f"Hugging Face cache: {reason}"]) from None


def _known_absent(repo_id: str, name: str, revision: str, cache_dir: str | Path | None) -> bool:
    from huggingface_hub import _CACHED_NO_EXIST, try_to_load_from_cache

    return try_to_load_from_cache(repo_id, name, revision=revision, cache_dir=cache_dir) is _CACHED_NO_EXIST
