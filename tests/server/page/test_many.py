"""The tab Many texts: files in, a matrix to read, CSV out; also with 200 texts."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from minilm import MiniLM
from tests.server.page.browsing import BOUND, wait_for_value

TEXTS = ['A "quoted" text, with a comma', "Another text", "日本"]


def compare_all(page: Any, texts: list[str]) -> None:
    page.get_by_role("tab", name="Many texts").click()
    page.fill("#lines", "\n".join(texts))
    page.get_by_role("button", name="Compare all").click()
    page.locator("#many-result").wait_for()


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
