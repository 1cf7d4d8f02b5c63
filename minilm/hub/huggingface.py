"""The Hugging Face Hub: whether it answers, its cache, and a download of the default model."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from minilm._progress import is_shown
from minilm.hub.errors import Unavailable, reason_text
from minilm.hub.manifest import ModelManifest
from minilm.hub.staging import is_full

# An unreachable Hub may delay a load by five seconds, with the start of a thread and an import.
HUB_PATIENCE_SECONDS = 4.0

logger = logging.getLogger(__name__)


class NoConfig(Unavailable):
    """The Hub answers, and the repository has no config.json at the top."""


def download_from_hub(manifest: ModelManifest, staging: Path, token: str | bool | None = None) -> None:
    """Download the manifest's files into ``staging``; Unavailable says why this failed."""
    probe(manifest.repo_id, manifest.revision, token)
    from huggingface_hub import hf_hub_download

    logger.info("%s: fetching %s from the Hugging Face Hub", manifest.name, manifest.download_size)
    try:
        for name in manifest.sha256:
            # With an empty cache huggingface_hub cannot copy a damaged file from the user's cache.
            # (force_download=True would turn every network error into "Force download failed due to the
            # above error".)
            hf_hub_download(
                manifest.repo_id,
                name,
                revision=manifest.revision,
                local_dir=staging,
                cache_dir=staging / ".no-cache",
                token=token,
            )
    except Exception as error:
        if is_full(error):  # the mirror needs the same room
            raise
        # network, proxy, TLS: the mirror may still work
        raise Unavailable(f"download failed: {reason_text(error)}") from error


def probe(repo_id: str, revision: str, token: str | bool | None = None) -> None:
    """Raise Unavailable unless the Hub answers for this revision within HUB_PATIENCE_SECONDS.

    huggingface_hub retries for 23 seconds, and a name lookup has no timeout at all. So one request without
    retries runs in a thread, and the thread is abandoned when the time is over.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not is_shown(True):  # the bars of the downloads that follow would need a stderr
        disable_progress_bars()
    patience = HUB_PATIENCE_SECONDS
    if constants.HF_HUB_ETAG_TIMEOUT != constants.DEFAULT_ETAG_TIMEOUT:  # the user's own limit
        patience = constants.HF_HUB_ETAG_TIMEOUT
    answer: list[Exception | None] = []

    def ask() -> None:
        try:
            url = hf_hub_url(repo_id, "config.json", revision=revision)
            get_hf_file_metadata(url, token=token, timeout=patience)
            answer.append(None)
        except Exception as error:
            answer.append(error)

    thread = threading.Thread(target=ask, name="minilm-hub-probe", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # the interpreter ends
        raise Unavailable(f"not asked: {reason_text(error)}") from error
    thread.join(patience)
    if not answer:
        raise Unavailable(f"no answer within {patience:g} seconds")
    if isinstance(answer[0], EntryNotFoundError):
        raise NoConfig(f"not available: {reason_text(answer[0])}")
    if answer[0] is not None:
        raise Unavailable(f"not available: {reason_text(answer[0])}")


def cache_root(cache_folder: str | Path | None) -> Path:
    """The Hugging Face cache: the argument, or the one that the environment names, as the original reads it.

    ``SENTENCE_TRANSFORMERS_HOME`` comes before huggingface_hub's ``HF_HUB_CACHE`` and ``HF_HOME``.
    """
    from huggingface_hub import constants

    if cache_folder is None:
        cache_folder = os.environ.get("SENTENCE_TRANSFORMERS_HOME", constants.HF_HUB_CACHE)
    try:
        return Path(cache_folder).expanduser()
    except RuntimeError as error:  # a user without a home directory, for example in a container
        raise Unavailable(f"{error} Set HF_HOME to a directory for it") from None


def repo_cache(repo_id: str, cache_folder: str | Path | None) -> Path:
    """A repository's folder in the Hugging Face cache, in huggingface_hub's layout."""
    return cache_root(cache_folder) / f"models--{repo_id.replace('/', '--')}"


def is_offline(local_files_only: bool) -> bool:
    """Whether the network must not be used, because of the argument or ``HF_HUB_OFFLINE``."""
    from huggingface_hub import constants

    return local_files_only or constants.HF_HUB_OFFLINE
