"""Which matrix multiplication numpy runs on: the library, its kernel, its threads."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

# OpenBLAS's names for its kernels for x86 with AVX-512.
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
    """Describe the BLAS that numpy has loaded in this process.

    Examples
    --------
    >>> blas_info().threads >= 1
    True
    """
    import threadpoolctl

    libraries = [library for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]
    # another package (scipy, say) may have brought a BLAS of its own into the process
    libraries.sort(key=lambda library: "numpy" not in str(library["filepath"]))
    if not libraries:
        return BlasInfo("unknown", "unknown", "unknown", 1)
    first = libraries[0]
    return BlasInfo(
        str(first["internal_api"]),
        str(first.get("version") or "unknown"),
        str(first.get("architecture") or "unknown"),
        int(first["num_threads"]),
    )


def kernel_advice() -> str | None:
    """What to do when the CPU has more than the BLAS kernel uses; None when nothing is to be done.

    OpenBLAS picks its kernels when numpy is imported: by the CPU, unless ``OPENBLAS_CORETYPE`` names another.
    An inherited variable, or an OpenBLAS older than the CPU, can halve the speed unnoticed.
    """
    info = blas_info()
    if info.library != "openblas" or info.kernel not in _AVX2_KERNELS or not _cpu_has_avx512():
        return None
    inherited = os.environ.get("OPENBLAS_CORETYPE")
    remedy = (
        f"the environment sets OPENBLAS_CORETYPE={inherited}: unset it before Python starts"
        if inherited
        else "this OpenBLAS does not know the CPU: try a newer numpy, or OPENBLAS_CORETYPE=SkylakeX in the "
        "environment"
    )
    return (
        f"this CPU has AVX-512, but numpy's BLAS runs its {info.kernel} kernels, often at half the speed; "
        f"{remedy}"
    )


def _cpu_has_avx512() -> bool:
    found = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    # numpy 2.4 names the level, earlier ones the instructions
    return bool({"X86_V4", "AVX512_SKX"} & set(found))


def has_small_matrix_kernels() -> bool:
    """Whether numpy's BLAS multiplies small matrices fast, as OpenBLAS does with its AVX-512 kernels."""
    return blas_info().kernel in _AVX512_KERNELS
