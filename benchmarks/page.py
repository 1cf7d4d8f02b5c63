"""The page in Chromium: its weight, its first paint on a slow CPU, and what its interactions take.

    python -m benchmarks.page [--rounds 5] [--quick]

It needs the extra "browser", and chromium. The CPU of the paint is throttled to a quarter. An interaction is
timed from the server's answer, or from a choice of the reader, to the second frame after it, which shows the
result.
"""

from __future__ import annotations

import shutil
import sys

from playwright.sync_api import Browser, sync_playwright

from benchmarks.harness import begin, options, print_table, spread, write
from tests.serving import A, B, Server

THROTTLE = 4
LIMITS = {"weight": 150_000, "first paint": 500, "interaction": 100}  # bytes, and milliseconds

# Milliseconds from an answer (or from now, without a request) until its result is on the page.
MEASURE = """async ([act, result]) => {
    const frame = () => new Promise(requestAnimationFrame);
    performance.clearResourceTimings();
    const started = performance.now();
    new Function(act)();
    while (document.querySelector(result).hidden) await frame();
    await frame();
    await frame();
    const [request] = performance.getEntriesByType("resource");
    return performance.now() - (request ? request.responseEnd : started);
}"""
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
LONG = "word " * 62
MANY = [f"Text number {number}." for number in range(200)]


def fill(values: dict[str, str], form: str) -> str:
    """JavaScript that fills the boxes of a tab and sends its form."""
    boxes = "".join(f"document.getElementById({name!r}).value = {text!r};" for name, text in values.items())
    send = f"document.querySelector('#panel-{form} form').requestSubmit();"
    return f"document.getElementById('tab-{form}').click(); {boxes} {send}"


def change(name: str, value: int) -> str:
    """JavaScript that chooses a value of a list."""
    chosen = f"const list = document.getElementById({name!r}); list.value = {value};"
    return f"{chosen} list.dispatchEvent(new Event('change'));"


INSIDE = "#inside-result"
INTERACTIONS = {
    "the score of two texts, and why": (fill({"text-a": A, "text-b": B}, "two"), "#two-result"),
    "one text against 200": (fill({"source": A, "sentences": "\n".join(MANY)}, "one"), "#one-result"),
    "200 texts": (fill({"lines": "\n".join(MANY)}, "many"), "#many-result"),
    "the inside of two texts of 9 tokens": (fill({"inside-a": A, "inside-b": B}, "inside"), INSIDE),
    "the inside of two texts of 64 tokens": (fill({"inside-a": LONG, "inside-b": LONG}, "inside"), INSIDE),
    "another head, 64 tokens": (change("head", 5), INSIDE),
    "another token, 64 tokens": ("document.querySelector('#pieces [data-token=\"30\"]').click()", INSIDE),
}


def first_paint(browser: Browser, url: str) -> float:
    """Milliseconds from the start of the navigation to the first text on the screen, on a slow CPU."""
    context = browser.new_context()
    page = context.new_page()
    context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": THROTTLE})
    page.goto(url)
    while (milliseconds := page.evaluate(PAINT)) is None:  # page.wait_for_function would call eval
        page.wait_for_timeout(20)
    context.close()
    return float(milliseconds)


def weight(browser: Browser, url: str) -> int:
    """Bytes of everything that the page loads, uncompressed."""
    page = browser.new_page()
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(len(answer.body())))
    page.goto(url, wait_until="networkidle")
    page.close()
    return sum(sizes)


def main() -> None:
    """Measure, print a table, and write results/page.json."""
    arguments = begin(options(__doc__, threads=False))
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    server = Server()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            size = weight(browser, server.url)
            paints = spread(first_paint(browser, server.url) for _ in range(arguments.rounds))
            page = browser.new_page()
            page.goto(server.url)
            times: dict[str, list[float]] = {name: [] for name in INTERACTIONS}
            for _ in range(arguments.rounds + 1):
                for name, action in INTERACTIONS.items():
                    times[name].append(page.evaluate(MEASURE, action))
            version = browser.version
            browser.close()
    finally:
        server.stop()
    spreads = {name: spread(rounds[1:]) for name, rounds in times.items()}  # the first is the warm-up
    rows = [
        ("weight, bytes", f"{size:,}", f"{LIMITS['weight']:,}"),
        ("first paint, ms", paints.show(), str(LIMITS["first paint"])),
    ]
    rows += [(f"{name}, ms", each.show(), str(LIMITS["interaction"])) for name, each in spreads.items()]
    print_table(("", "measured", "limit"), rows)
    results = {"bytes": size, "first_paint": paints._asdict()}
    results |= {name: each._asdict() for name, each in spreads.items()}
    write("page", arguments, results, chromium=version, throttle=THROTTLE)
    if size > LIMITS["weight"]:
        sys.exit("the page is too heavy")


if __name__ == "__main__":
    main()
