"""numpy's BLAS, the library that multiplies matrices: its name, its kernels, its threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TypeVar

import numpy as np

_Result = TypeVar("_Result")

# OpenBLAS's names for its kernels for x86: with AVX-512, and with AVX2 only.
_AVX512_KERNELS = ("SkylakeX", "Cooperlake", "SapphireRapids")
_AVX2_KERNELS = ("Haswell", "Zen")


class BlasInfo(NamedTuple):
    """What numpy multiplies matrices with; "unknown" where the library does not say."""

    library: str  # "openblas", "mkl", "blis", "flexiblas", "accelerate"
    version: str
    kernel: str  # the CPU the library's kernels are written for, in its own words: "SkylakeX", "Haswell"
    threads: int

    def __str__(self) -> str:
        plural = "" if self.threads == 1 else "s"
        return f"{self.library} {self.version}, kernel {self.kernel}, {self.threads} thread{plural}"


def blas_info() -> BlasInfo:
    """Describe the BLAS that numpy has loaded in this process."""
    library = _blas_library()
    if library is None:
        return BlasInfo("unknown", "unknown", "unknown", 1)
    info = library.info()
    version, kernel = (str(info.get(key) or "unknown") for key in ("version", "architecture"))
    return BlasInfo(str(info["internal_api"]), version, kernel, int(info["num_threads"]))


@cache  # the search takes a third of a millisecond
def _blas_library() -> Any:  # noqa: ANN401 - threadpoolctl has no types
    """The BLAS of numpy as threadpoolctl controls it; None for one that it does not know (Accelerate)."""
    import threadpoolctl

    libraries = threadpoolctl.ThreadpoolController().lib_controllers
    # another package (scipy, say) may have loaded a BLAS of its own
    return min(
        (library for library in libraries if library.user_api == "blas"),
        key=lambda library: "numpy" not in str(library.filepath),
        default=None,
    )


def kernel_advice() -> str | None:
    """What to do if BLAS's kernels do not use all that the CPU has; None if there is nothing to do.

    OpenBLAS chooses its kernels when numpy is imported: by the CPU, unless ``OPENBLAS_CORETYPE`` names one.
    An inherited variable, or an OpenBLAS older than the CPU, can halve the speed without a sign.
    """
    info = blas_info()
    if info.library != "openblas" or info.kernel not in _AVX2_KERNELS or not _cpu_has_avx512():
        return None
    slow = f"this CPU has AVX-512, but numpy's BLAS runs its {info.kernel} kernels, often at half the speed"
    if inherited := os.environ.get("OPENBLAS_CORETYPE"):
        return f"{slow}; the environment sets OPENBLAS_CORETYPE={inherited}: unset it before Python starts"
    remedy = "try a newer numpy, or OPENBLAS_CORETYPE=SkylakeX in the environment"
    return f"{slow}; this OpenBLAS does not know the CPU: {remedy}"


def _cpu_has_avx512() -> bool:
    extensions = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    # numpy 2.4 names the level, earlier releases the instructions
    return bool({"X86_V4", "AVX512_SKX"} & set(extensions))


def has_small_matrix_kernels() -> bool:
    """Whether numpy's BLAS multiplies small matrices fast, as OpenBLAS does with its AVX-512 kernels."""
    return blas_info().kernel in _AVX512_KERNELS


def call_with_blas_threads(limit: int, function: Callable[[], _Result]) -> _Result:
    """Call ``function`` while numpy's BLAS has at most ``limit`` threads; the limit ends even after Ctrl-C.

    The number of threads is global to the process. While calls overlap, in several threads or models, the
    smallest limit holds. When the last one ends, BLAS has its own number back.
    """
    user = object()
    try:
        try:
            _limits.enter(user, limit)
            return function()
        finally:
            _limits.leave(user)
    finally:
        _limits.leave(user)  # Ctrl-C may have interrupted the first call


class _Limits:
    """The limits that are in force in this process.

    Without users, ``original`` is None, and BLAS has the number of threads that the program gave it. With
    users, ``original`` is that number, and BLAS has the smallest limit in ``active``.

    Ctrl-C may end ``enter`` or ``leave`` between any two lines. The user then calls ``leave`` (again), which
    is safe because each of its steps has the same effect the second time.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.active: dict[object, int] = {}  # user to limit
        self.original: int | None = None

    def enter(self, user: object, limit: int) -> None:
        library = _blas_library()
        if library is None:
            return
        with self.lock:
            if self.original is None:
                self.original = library.num_threads
            self.active[user] = limit
            self._apply(library, self.original)

    def leave(self, user: object) -> None:
        library = _blas_library()
        with self.lock:
            self.active.pop(user, None)
            if self.original is not None:
                self._apply(library, self.original)
            if not self.active:
                self.original = None

    def after_fork(self) -> None:
        """Drop, in a forked child, the lock and the limits of threads that the child does not have."""
        self.lock = threading.Lock()
        self.active = {}  # BLAS still has the smallest; original stays, so that the first call restores it

    def _apply(self, library: Any, original: int) -> None:  # noqa: ANN401 - threadpoolctl has no types
        # Newer releases of threadpoolctl ignore a thread while another controls BLAS. Control is taken here
        # for this one call, under this class's own lock, and given back.
        release = getattr(library, "clear_controlling_thread", lambda **_: None)
        release(force=True)
        library.set_num_threads(min(self.active.values(), default=original))
        release(force=True)


_limits = _Limits()

if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_limits.after_fork)
