"""Repositories without a manifest: the Hugging Face cache, and the hashes in its file names.

The cache says in one of three ways that a repository lacks a file. ``trees/`` has the list of a commit's
files, from ``hf download``. ``.no_exist/`` marks the files that a loader asked for in vain. An older
``hf download`` left neither, only the whole repository.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from minilm.checkpoint.files import MissingFileError, collect_files
from minilm.hub.errors import Unavailable, not_found, reason_text
from minilm.hub.huggingface import NoConfig, cache_root, is_offline, probe, repo_cache
from minilm.hub.manifest import Checkpoint, check_blob_name
from minilm.hub.staging import is_full

# Only a download of a whole repository brings this file, which the Hub puts into every repository.
_MARK_OF_A_WHOLE_DOWNLOAD = ".gitattributes"

# A repository with one of these files has a modules.json as well.
_SIGNS_OF_MODULES = ("1_Pooling", "sentence_bert_config.json", "config_sentence_transformers.json")

logger = logging.getLogger(__name__)


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
    reasons, offline = [], True
    try:
        if is_offline(local_files_only):
            raise Unavailable("not asked, because offline use was requested")
        probe(repo_id, revision, token)
        offline = False
    except Unavailable as reason:
        reasons = [f"Hugging Face Hub: {reason}"]
        offline = not isinstance(reason, NoConfig)
    repository = _Repository(repo_id, cache_root(cache_folder), cache, token, offline, revision)
    try:
        verified = [check_blob_name(path) for path in collect_files(repository.fetch).values()]
    except MissingFileError as missing:
        raise not_found(repo_id, [*reasons, repository.missing(str(missing))], revision) from missing
    except Unavailable as reason:
        raise not_found(repo_id, [*reasons, str(reason)], revision) from reason
    source = "Hugging Face cache" if offline else "Hugging Face Hub"
    return Checkpoint(repository.snapshot, source, repo_id, repository.commit, verified=all(verified))


@dataclass
class _Repository:
    """The files of one repository, through huggingface_hub."""

    repo_id: str
    root: Path
    cache: Path
    token: str | bool | None
    offline: bool
    revision: str
    commit: str = ""  # that of the first file; a branch may move during the download

    @property
    def snapshot(self) -> Path:
        """The folder of the commit's files."""
        return self.cache / "snapshots" / self.commit

    @property
    def place(self) -> str:
        """Where the files come from, for a message."""
        return f"Hugging Face cache ({self.cache})" if self.offline else "Hugging Face Hub"

    def fetch(self, name: str, certain: bool) -> Path | None:
        """Path of a file in the cache; None if the repository does not have it. Unavailable says why not.

        ``certain`` is False if the cache need not prove that the repository lacks the file.
        """
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        if self.offline and not self.commit:
            self.commit = self._cached_commit(name)
        revision = self.commit or self.revision
        try:
            path = hf_hub_download(
                self.repo_id,
                name,
                revision=revision,
                cache_dir=self.root,
                local_files_only=self.offline,
                token=self.token,
            )
        except Exception as error:  # network, disk, a gated repository: huggingface_hub raises many types
            if isinstance(error, LocalEntryNotFoundError) and self.offline:
                self._check_absence(name, certain)
                return None
            if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
                return None
            place = f"Hugging Face cache ({self.cache})" if is_full(error) else self.place
            raise Unavailable(f"{place}: {name} of revision {revision}: {reason_text(error)}") from error
        self.commit = Path(path).parents[name.count("/")].name
        return Path(path)

    def missing(self, name: str) -> str:
        """Why a required file is missing."""
        if self.offline:
            return f"{self.place}: {name} of revision {self.commit} is not there"
        return f"{self.place}: the repository has no {name} at revision {self.commit or self.revision}"

    def _cached_commit(self, name: str) -> str:
        """The commit of the revision, by the cache's notes of branches and tags."""
        commit = self.revision
        with suppress(OSError):
            commit = (self.cache / "refs" / self.revision).read_text("utf-8").strip()
        with suppress(OSError):
            others = sorted(path.name for path in (self.cache / "snapshots").iterdir())
            if commit in others:
                return commit
            if others:
                raise Unavailable(
                    f"{self.place}: revision {self.revision} is not there, only "
                    + ", ".join(f"revision={other!r}" for other in others)
                )
        raise Unavailable(f"{self.place}: {name} of revision {self.revision} is not there")

    def _check_absence(self, name: str, certain: bool) -> None:
        """Raise Unavailable if the cache lacks a file that the repository may have.

        Without its modules.json a model would be pooled wrongly, and nobody would notice.
        """
        unknown = f"{self.place}: {name} of revision {self.commit} is not there"
        option = "" if self.revision == "main" else f" --revision {self.revision}"
        remedy = f"run `hf download {self.repo_id}{option}` to complete the cache"
        marks = self.cache / ".no_exist" / self.commit
        if (marks / name).is_file():
            return
        if (self.snapshot / name).is_symlink():
            raise Unavailable(f"{unknown}: it is a broken link; {remedy}")
        if self._listed is not None:
            if name in self._listed:
                raise Unavailable(f"{unknown}, but the repository has it; {remedy}")
            return
        if not certain or self._is_whole:
            return
        if marks.is_dir():  # a loader that asks for one file after another did not ask for this one
            raise Unavailable(f"{unknown}, and the cache does not say that the repository lacks it; {remedy}")
        if name == "modules.json":
            if any((self.snapshot / sign).exists() for sign in _SIGNS_OF_MODULES):
                raise Unavailable(f"{unknown}, but files that go with it are; {remedy}")
            logger.warning(
                "%s: the cache has no modules.json, and does not say whether the repository has one. "
                "A sentence encoder without it is pooled by the mean. To make sure, %s",
                self.repo_id,
                remedy,
            )

    @cached_property
    def _listed(self) -> set[str] | None:
        """Names of the files of the commit, if the cache has their list."""
        try:
            from huggingface_hub import get_cached_repo_tree
            from huggingface_hub.errors import CachedRepoTreeNotFoundError
        except ImportError:  # older releases make no list
            return None
        with suppress(CachedRepoTreeNotFoundError):
            files = get_cached_repo_tree(self.repo_id, revision=self.commit, cache_dir=self.root)
            return {file.path for file in files}
        return None

    @cached_property
    def _is_whole(self) -> bool:
        """Whether a whole repository was downloaded, and no download broke off."""
        has_mark = (self.snapshot / _MARK_OF_A_WHOLE_DOWNLOAD).exists()
        return has_mark and not any((self.cache / "blobs").glob("*.incomplete"))
