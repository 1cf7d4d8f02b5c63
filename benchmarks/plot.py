"""The README's picture: texts per second by system, from results/throughput.json.

python -m benchmarks.plot
"""

from __future__ import annotations

import json

from benchmarks.harness import RESULTS

# Okabe and Ito's colours, which people with any kind of colour vision can distinguish.
COLOURS = ("#0072B2", "#E69F00", "#56B4E9", "#999999")


def main() -> None:
    """Write results/throughput.png, 900 x 400 pixels."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    measured = json.loads((RESULTS / "throughput.json").read_text("utf-8"))
    kinds = ("short", "long")
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), dpi=100, layout="constrained")
    for axis, kind in zip(axes, kinds, strict=True):
        result = measured["results"][kind]
        names = list(result["systems"])
        rates = [result["systems"][name]["texts_per_second"] for name in names]
        medians = [rate["median"] for rate in rates]
        below = [rate["median"] - rate["low"] for rate in rates]
        above = [rate["high"] - rate["median"] for rate in rates]
        places = range(len(names))
        axis.barh(places, medians, xerr=(below, above), color=COLOURS[: len(names)], ecolor="#444444")
        for place, median, extra in zip(places, medians, above, strict=True):
            axis.annotate(
                f"{median:,.0f}",
                (median + extra, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
            )
        axis.set_yticks(places, names if axis is axes[0] else [""] * len(names))
        axis.invert_yaxis()
        axis.margins(x=0.15)
        axis.set_xlim(left=0)
        axis.set_xlabel("texts per second")
        what = "sentences" if kind == "short" else "documents"
        axis.set_title(f"{result['texts']:,} {what} of {result['mean_tokens']:.0f} tokens")
        axis.spines[["top", "right"]].set_visible(False)
    machine = f"{measured['machine']['cpu']}, {measured['options']['threads']} threads, float32"
    figure.suptitle(
        f"all-MiniLM-L6-v2 on {machine}: median and range of {measured['options']['rounds']} rounds"
    )
    path = RESULTS / "throughput.png"
    figure.savefig(path)
    print(path.relative_to(RESULTS.parents[1]))


if __name__ == "__main__":
    main()
