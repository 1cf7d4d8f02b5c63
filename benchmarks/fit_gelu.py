"""Where the coefficients in fast/parameters.py come from: the best P in gelu(x) = x/2 (1 + tanh(x P(x^2))).

    python -m benchmarks.fit_gelu

Minimizes the largest error of GELU itself over 0 <= x <= 6 (it is the same for -x, and beyond 6 both sides
are 0 or x to float32), in float64: a Gauss-Newton step is a linear program, "least largest error of the
linearized form", solved again and again in a region that grows while it helps and shrinks when it does not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.special import erf

COEFFICIENTS = 7

x = np.linspace(1e-4, 6, 3000)
exact = 0.5 * x * (1 + erf(x / np.sqrt(2)))
powers = np.stack([x ** (2 * i + 1) for i in range(COEFFICIENTS)], axis=1)  # x P(x^2) = powers @ c


def error(c: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """GELU by the coefficients ``c``, minus the exact GELU."""
    return 0.5 * x * (1 + np.tanh(powers @ c)) - exact


def main() -> None:
    """Print the coefficients and their largest error."""
    near = x < 5  # beyond, erf is 1 to the last digit
    c = np.linalg.lstsq(powers[near], np.arctanh(erf(x[near] / np.sqrt(2))), rcond=None)[0]
    scale, region = np.abs(powers).max(axis=0), 1e-2
    while region > 1e-13:
        largest = np.abs(error(c)).max()
        slope = 0.5 * x / np.cosh(np.clip(powers @ c, -30, 30)) ** 2
        jacobian = slope[:, None] * powers / scale / largest
        minus_bound = np.full((len(x), 1), -1.0)
        step = linprog(
            [*np.zeros(COEFFICIENTS), 1.0],
            A_ub=np.block([[jacobian, minus_bound], [-jacobian, minus_bound]]),
            b_ub=np.concatenate([-error(c), error(c)]) / largest,
            bounds=[(-region, region)] * COEFFICIENTS + [(0, None)],
        )
        candidate = c + step.x[:-1] / scale if step.x is not None else c
        gain = largest - np.abs(error(candidate)).max()
        if gain > 0:
            c, region = candidate, 1.5 * region
        else:
            region /= 3
        if 0 < gain < 1e-4 * largest:
            break
    print("\n".join(map(repr, c.tolist())))
    print(f"largest error of GELU: {np.abs(error(c)).max():.2e}")


if __name__ == "__main__":
    main()
