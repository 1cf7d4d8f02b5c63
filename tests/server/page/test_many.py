"""The tab Many texts: files in, a matrix to read, CSV out; also with 200 texts."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from minilm import MiniLM
from tests.server.page.browsing import BOUND, compare_all, wait_for_value

TEXTS = ['A "quoted" text, with a comma', "Another text", "日本"]


def test_the_matrix_is_saved_as_csv(page: Any, model: MiniLM) -> None:
    compare_all(page, TEXTS)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    assert download.value.suggested_filename == "similarities.csv"
    content = Path(download.value.path()).read_text("utf-8-sig")
    first, *rows = csv.reader(io.StringIO(content, newline=""))
    assert first == ["", *TEXTS]
    assert [row[0] for row in rows] == TEXTS
    expected = model.similarity(TEXTS, TEXTS)
    saved = [[float(value) for value in row[1:]] for row in rows]
    assert abs(expected - saved).max() < BOUND


def test_a_file_takes_the_place_of_the_texts(page: Any) -> None:
    page.get_by_role("tab", name="Many texts").click()
    page.set_input_files(
        "#lines-file", {"name": "a.txt", "mimeType": "text/plain", "buffer": "éa\r\nb\r\n".encode()}
    )
    wait_for_value(page, "#lines", "éa\nb")


def test_a_file_can_be_dropped(page: Any) -> None:
    page.get_by_role("tab", name="Many texts").click()
    data = page.evaluate_handle(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(['one\\ntwo'], 'b.txt', { type: 'text/plain' }));
            return data;
        }"""
    )
    page.dispatch_event("#lines", "drop", {"dataTransfer": data})
    wait_for_value(page, "#lines", "one\ntwo")


@pytest.mark.parametrize(
    ("buffer", "notice"),
    [(b"caf\xe9", "c.txt is not text in UTF-8."), (b"a" * (1 << 20) + b"a", "c.txt has more than 1 MiB.")],
    ids=["not UTF-8", "too large"],
)
def test_a_file_that_cannot_be_read_changes_nothing(page: Any, buffer: bytes, notice: str) -> None:
    page.get_by_role("tab", name="Many texts").click()
    page.fill("#lines", "kept")
    page.set_input_files("#lines-file", {"name": "c.txt", "mimeType": "text/plain", "buffer": buffer})
    page.get_by_role("alert").get_by_text(notice).wait_for()
    assert page.input_value("#lines") == "kept"


def test_200_texts_can_be_read(page: Any, model: MiniLM) -> None:
    texts = [f"Text number {i} is about {subject}." for i in range(100) for subject in ("cats", "soup")]
    compare_all(page, texts)
    assert page.evaluate("document.documentElement.scrollHeight") < 2500  # it was 20,000 pixels
    assert page.locator("#matrix").bounding_box()["y"] < page.locator("#neighbours").bounding_box()["y"]
    expected = model.similarity(texts, texts)
    page.locator("canvas#similarity-heat-map").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    readout = page.locator("#matrix output")
    assert abs(float(readout.get_attribute("data-value")) - expected[2, 1]) < BOUND
    assert readout.inner_text().startswith("\u20683. Text number 1 is about")
    page.keyboard.press("ArrowUp")
    assert abs(float(readout.get_attribute("data-value")) - expected[1, 1]) < BOUND
    low, high = page.locator("#matrix .legend").inner_text().split()
    assert (low, float(high)) == ("0.000", 1)


def test_the_name_of_a_row_is_the_beginning_of_its_text(page: Any) -> None:
    texts = ["a" * 24, "a" * 25, "\N{GRINNING FACE}" * 24, "\N{GRINNING FACE}" * 25]
    compare_all(page, texts)
    names = page.locator("#similarity-heat-map tbody th").all_text_contents()
    assert names == [
        "1. " + "a" * 24,  # 24 characters, as people count them
        "2. " + "a" * 23 + "…",
        "3. " + "\N{GRINNING FACE}" * 24,
        "4. " + "\N{GRINNING FACE}" * 23 + "…",
    ]
    assert page.locator("#similarity-heat-map thead th").all_text_contents() == ["1", "2", "3", "4"]
    assert page.locator("#neighbours > li > bdi").all_text_contents() == texts  # whole


def colours(page: Any, selector: str, style: str) -> list[list[float]]:
    """The numbers of each colour that a style has: red, green, blue, and the opacity."""
    read = f"each => getComputedStyle(each).{style}"
    found = re.findall(r"rgba?\(([^)]*)\)", page.locator(selector).evaluate(read))
    return [[float(part) for part in re.findall(r"[\d.]+", colour)] for colour in found]


def test_the_legend_has_the_numbers_and_the_colours_of_the_cells(page: Any, model: MiniLM) -> None:
    texts = [*TEXTS, "The soup needs more salt.", "A comet passed close to the sun."]
    compare_all(page, texts)
    expected = model.similarity(texts, texts)
    assert expected.min() < 0  # so the legend goes below 0
    shown = page.locator("#matrix .legend").inner_text().split()
    assert [float(number) for number in shown] == [
        -1,
        1,
    ]  # on both sides the largest, so that 0 has no colour
    low, middle, high = colours(page, "#matrix .scale", "backgroundImage")
    assert middle[3] == 0
    assert low[:3] != high[:3]
    assert low[3] == high[3]
    for place, colour in ((expected.argmax(), high), (expected.argmin(), low)):
        row, column = divmod(int(place), len(texts))
        cell = f"#similarity-heat-map tbody tr:nth-child({row + 1}) td:nth-child({column + 2})"
        [found] = colours(page, cell, "backgroundColor")
        assert found[:3] == colour[:3]
        # a browser keeps opacities in steps of 1/255
        assert abs(found[3] - colour[3] * abs(expected[row, column])) < 1 / 255


def test_the_legend_of_a_drawing_begins_at_0_if_nothing_is_below(page: Any) -> None:
    compare_all(page, [f"Text number {i}." for i in range(40)])
    assert page.locator("canvas#similarity-heat-map").is_visible()
    assert page.locator("#matrix .legend").inner_text().split() == ["0.000", "1.000"]
    assert len(colours(page, "#matrix .scale", "backgroundImage")) == 2


def test_names_stay_in_sight_while_the_numbers_scroll(page: Any) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    compare_all(page, [f"Text number {i} about soup." for i in range(30)])
    region = page.locator("#matrix")
    row, column = (
        page.locator(f"#similarity-heat-map {name}").first
        for name in ("tbody tr:nth-child(25) th", "thead th")
    )
    cell = page.locator("#similarity-heat-map tbody tr:nth-child(25) td").first
    before = cell.bounding_box()
    far = page.locator("#similarity-heat-map thead th:nth-child(13)")
    region.evaluate("each => each.scrollTo(400, 150)")
    after = cell.bounding_box()
    assert (before["x"] - after["x"], before["y"] - after["y"]) == (400, 150)
    place = region.bounding_box()
    assert place["height"] < 640  # or the page would scroll the names away
    assert abs(row.bounding_box()["x"] - place["x"]) < 1  # at the left edge
    assert abs(far.bounding_box()["y"] - place["y"]) < 1  # at the top
    assert column.bounding_box()["x"] < place["x"]  # the column of the first text has gone, and its name too
    assert row.inner_text().startswith("25. Text number 24")


def test_the_value_of_a_cell_stays_in_sight_while_the_drawing_scrolls(page: Any) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    compare_all(page, [f"Text number {i} about soup." for i in range(200)])
    region, readout = page.locator("#matrix"), page.locator("#matrix output")
    page.locator("canvas#similarity-heat-map").focus()
    page.keyboard.press("ArrowRight")
    assert readout.inner_text().startswith("\u20681. Text number 0 about sou…\u2069 × \u20682\u2069: ")
    region.evaluate("each => each.scrollTo(500, 40)")
    assert region.evaluate("each => each.scrollLeft") == 500
    place, box = region.bounding_box(), readout.bounding_box()
    assert place["x"] <= box["x"] + 1
    assert box["x"] + box["width"] <= 320
    assert box["y"] >= place["y"] - 1
