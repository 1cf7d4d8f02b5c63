"""Which matrix multiplication numpy runs on: the library, its kernel, its threads."""

from __future__ import annotations

from typing import NamedTuple

# OpenBLAS's names for its kernels for x86 with AVX-512.
_AVX512_KERNELS = ("SkylakeX", "Cooperlake", "SapphireRapids")


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


def has_small_matrix_kernels() -> bool:
    """Whether numpy's BLAS multiplies small matrices fast, as OpenBLAS does with its AVX-512 kernels."""
    return blas_info().kernel in _AVX512_KERNELS
