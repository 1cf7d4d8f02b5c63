"""Repositories without a manifest: the Hugging Face cache, and the hashes in its file names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from minilm.checkpoint.config import TRANSFORMER_FILES
from minilm.hub.errors import Unavailable, not_found, reason_text
from minilm.hub.huggingface import is_offline, probe, repo_cache
from minilm.hub.manifest import (
    OPTIONAL_FILES,
    REQUIRED_FILES,
    SUBSTITUTES,
    Checkpoint,
    check_blob_name,
    named_files,
)
from minilm.hub.staging import is_full


def find_unpinned(
    repo_id: str,
    revision: str,
    cache_folder: str | Path | None,
    local_files_only: bool,
    token: str | bool | None,
) -> Checkpoint:
    """Find a repository at any revision in the cache or on the Hub, and check its files."""
    try:
        cache = repo_cache(repo_id, cache_folder)
    except Unavailable as reason:
        raise not_found(repo_id, [f"Hugging Face cache: {reason}"]) from None
    reasons = []
    try:
        if is_offline(local_files_only):
            raise Unavailable("not asked, because offline use was requested")
        probe(repo_id, revision, token)
    except Unavailable as reason:
        reasons = [f"Hugging Face Hub: {reason}"]
    repository = _Repository(repo_id, cache_folder, cache, token, offline=bool(reasons))
    try:
        verified = {path: check_blob_name(path) for path in repository.files(revision)}
    except Unavailable as reason:
        raise not_found(repo_id, [*reasons, str(reason)], revision) from reason
    directory = next(iter(verified)).parent  # config.json comes first
    source = "Hugging Face cache" if repository.offline else "Hugging Face Hub"
    return Checkpoint(directory, source, repo_id, directory.name, verified=all(verified.values()))


class _Absent(Unavailable):
    """The repository does not have the file, at this revision."""


@dataclass
class _Repository:
    """The files of one repository, through huggingface_hub."""

    repo_id: str
    cache_folder: str | Path | None
    cache: Path
    token: str | bool | None
    offline: bool

    def files(self, revision: str) -> Iterator[Path]:
        """Paths of the files in the cache, ``config.json`` first; Unavailable if a required one is missing.

        A branch may move during the download. So the other files come from the commit of the first one.
        """
        first, *required = REQUIRED_FILES
        yield (config := self._download(first, revision))
        commit = config.parent.name
        for name in required:
            try:
                yield self._download(name, commit)
            except _Absent:
                try:
                    yield self._download(SUBSTITUTES[name], commit)
                except _Absent:
                    pass
                else:
                    continue
                raise
        for name in OPTIONAL_FILES:
            with suppress(_Absent):
                yield self._download(name, commit)
        has = [(config.parent / name).exists() for name in ("modules.json", "sentence_bert_config.json")]
        older = TRANSFORMER_FILES[1:] if has == [True, False] else ()
        for name in (*older, *named_files(config.parent)):  # a load says which one is missing
            with suppress(_Absent):
                yield self._download(name, commit)

    def _download(self, name: str, revision: str) -> Path:
        from huggingface_hub import hf_hub_download, try_to_load_from_cache
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        cache = f"Hugging Face cache ({self.cache})"
        place = cache if self.offline else "Hugging Face Hub"
        try:
            return Path(
                hf_hub_download(
                    self.repo_id,
                    name,
                    revision=revision,
                    cache_dir=self.cache_folder,
                    local_files_only=self.offline,
                    token=self.token,
                )
            )
        except LocalEntryNotFoundError as error:
            # Offline, an optional file may be skipped only if the cache notes that the repository lacks it.
            # Without its modules.json a model would be pooled wrongly, and nobody would notice. The entry is
            # a path, or None if the cache has no note, or else a marker for an absent file.
            entry = try_to_load_from_cache(self.repo_id, name, revision=revision, cache_dir=self.cache_folder)
            kind = Unavailable if entry is None or isinstance(entry, str) else _Absent
            raise kind(f"{place}: {name} of revision {revision} is not there") from error
        except EntryNotFoundError as error:
            raise _Absent(f"{place}: the repository has no {name} at revision {revision}") from error
        except Exception as error:  # network, disk, a gated repository: huggingface_hub raises many types
            place = cache if is_full(error) else place
            raise Unavailable(f"{place}: {name} of revision {revision}: {reason_text(error)}") from error
