"""How the notebooks' figures look: one palette, one size of letters, heat maps and labelled points.

People who do not see all colours can tell everything apart: the palette is that of Okabe and Ito [1]_, the
scale for what is 0 or more is viridis, and what can be negative goes from orange over white to blue.

References
----------
.. [1] Okabe and Ito 2008, "Color Universal Design", https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.transforms import Bbox

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, RED, PINK = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
PALETTE = (BLUE, ORANGE, GREEN, PINK, SKY, RED, BLACK, YELLOW)  # in the order in which to take them
GREY = "#767676"

SEQUENTIAL = "viridis"
DIVERGING = LinearSegmentedColormap.from_list("orange_blue", [RED, "#F6C9A8", "white", "#A8CCE6", BLUE])

WIDTH = 8.0  # inches: what a page shows without scrolling


def use() -> None:
    """Set matplotlib's defaults for the rest of the notebook."""
    plt.rcParams.update(
        {
            "figure.dpi": 90,
            "figure.figsize": (WIDTH, 3.2),
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": cycler(color=PALETTE),
            "axes.grid": False,
            "legend.frameon": False,
            "lines.linewidth": 1.8,
        }
    )


def heat_map(
    ax: Axes,
    values: npt.NDArray[np.floating],
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    *,
    signed: bool = False,
    largest: float | None = None,
    digits: int | None = None,
    font_size: float = 9,
) -> Any:  # noqa: ANN401 - matplotlib's AxesImage, as imshow types it
    """Draw a matrix, a label beside each row and above each column; returns the image, for a colour bar.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    values : ndarray of float, shape (M, N)
        The matrix, its first row on top.
    rows, columns : sequence of M and N str
        The labels; none are drawn if empty.
    signed : bool
        Orange to blue with white at 0, instead of viridis from 0.
    largest : float, optional
        Where the scale ends; the largest absolute value by default.
    digits : int, optional
        Decimals of the number written into each cell; none is written by default.
    font_size : float
        Of labels and numbers, in points.
    """
    largest = float(np.abs(values).max()) if largest is None else largest
    image = ax.imshow(
        values,
        cmap=DIVERGING if signed else SEQUENTIAL,
        vmin=-largest if signed else 0,
        vmax=largest,
        aspect="auto",
        interpolation="nearest",
    )
    if rows and columns:  # thin lines between the cells
        ax.set_yticks(np.arange(1, len(rows)) - 0.5, minor=True)
        ax.set_xticks(np.arange(1, len(columns)) - 0.5, minor=True)
        ax.grid(which="minor", color="white" if not signed else "#DDDDDD", linewidth=0.5)
        ax.tick_params(which="minor", length=0)
    ax.set_yticks(range(len(rows)), labels=rows, fontsize=font_size)
    ax.set_xticks(range(len(columns)), labels=columns, fontsize=font_size, rotation=60, ha="left")
    ax.tick_params(length=0, top=False, bottom=False, labeltop=True, labelbottom=False, pad=2)
    plt.setp(ax.get_xticklabels(), rotation_mode="anchor")
    ax.spines[:].set_visible(False)
    if digits is not None:
        for (row, column), value in np.ndenumerate(values):
            red, green, blue, _ = image.cmap(image.norm(value))
            is_dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
            ink = "white" if is_dark else "black"
            ax.text(
                column, row, f"{value:.{digits}f}", ha="center", va="center", color=ink, fontsize=font_size
            )
    return image


def label_points(
    ax: Axes,
    points: npt.NDArray[np.floating],
    labels: Sequence[str],
    colours: Sequence[str] | str = BLACK,
    *,
    font_size: float = 8,
) -> int:
    """Write a label beside each point where it covers no other label; returns how many found no place.

    To be called when everything else is drawn. A label that stands near a point already, written there for
    another point, is not written again.

    Parameters
    ----------
    ax : Axes
        Where the points are.
    points : ndarray of float, shape (N, 2)
        In data coordinates.
    labels : sequence of N str
        The first ones have the first choice.
    colours : sequence of N str, or str
        Of the labels.
    font_size : float
        In points.
    """
    figure = ax.get_figure()
    if figure is None:
        raise ValueError("ax must belong to a figure")
    figure.canvas.draw()  # fixes the layout, and with it where points are in pixels
    pixels = ax.transData.transform(points)  # (N, 2)
    dots = [Bbox.from_extents(x - 3, y - 3, x + 3, y + 3) for x, y in pixels]
    placed: list[tuple[str, Bbox]] = []
    missing = 0
    sides = [(5, 0, "left"), (-5, 0, "right"), (0, 9, "center"), (0, -9, "center")]
    sides += [(5, 9, "left"), (-5, 9, "right"), (5, -9, "left"), (-5, -9, "right")]
    for index, (label, pixel) in enumerate(zip(labels, pixels, strict=True)):
        if any(label == other and box.padded(8).contains(*pixel) for other, box in placed):
            continue
        for x, y, side in sides:
            text = ax.annotate(
                label,
                points[index],
                (x, y),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=font_size,
                color=colours if isinstance(colours, str) else colours[index],
            )
            text.set_in_layout(False)
            box = text.get_window_extent()
            if not any(box.overlaps(other) for _, other in placed) and not any(map(box.overlaps, dots)):
                placed.append((label, box))
                break
            text.remove()
        else:
            missing += 1
    return missing
