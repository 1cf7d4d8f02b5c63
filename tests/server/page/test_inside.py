"""The tab Inside: what it draws is what the readable encoder computes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minilm
from minilm import MiniLM
from minilm.checkpoint.weights import load_parameters
from minilm.trace.oracle import weights_path
from tests.intermediates import EncoderOutput, encode_with_intermediates
from tests.server.page.browsing import A, B, look

PACKAGE = Path(minilm.__file__).parent


@pytest.fixture(scope="module")
def outputs(model: MiniLM) -> list[EncoderOutput]:
    """What the readable encoder makes of the two texts."""
    parameters = load_parameters(weights_path(model.checkpoint), model.config)
    rows = [np.array([row]) for row in model.tokenizer.texts([A, B]).input_ids]
    return [encode_with_intermediates(row, np.ones_like(row), parameters, model.config) for row in rows]


def values(page: Any, selector: str) -> Any:
    """The numbers that are drawn there, with all their digits."""
    return np.array(
        page.locator(selector).evaluate_all("all => all.map(({ dataset }) => Number(dataset.value))")
    )


def test_the_word_pieces_are_those_of_the_tokenizer(page: Any, model: MiniLM) -> None:
    look(page, "A naïve embeddings test.")
    [ids] = model.tokenizer.texts(["A naïve embeddings test."]).input_ids
    pieces = page.locator("#pieces button").all_inner_texts()
    assert [piece.split() for piece in pieces] == [
        [model.tokenizer.backend.id_to_token(token_id), str(token_id)] for token_id in ids
    ]


def test_every_number_is_that_of_the_readable_encoder(
    page: Any, model: MiniLM, outputs: list[EncoderOutput]
) -> None:
    look(page, A, B)
    states = [np.concatenate(output.hidden_states) for output in outputs]  # (N + 1, L, E)
    for layer, head in ((0, 2), (3, 7), (5, 11)):
        page.select_option("#layer", str(layer))
        page.select_option("#head", str(head))
        expected = outputs[0].attention_probs[layer][0, head]
        # float32; the order of sums depends on the number of BLAS's threads
        assert np.allclose(values(page, "#head-map td[data-value]"), expected.ravel(), rtol=0, atol=1e-5)
    norms = np.linalg.norm(states[0], axis=-1)  # (N + 1, L)
    assert np.allclose(values(page, "#norm-map td[data-value]"), norms.T.ravel(), rtol=1e-5)
    mean = states[0][-1].mean(axis=0, dtype=np.float64)
    shares = states[0][-1] @ mean / len(states[0][-1]) / (mean @ mean)
    assert np.allclose(values(page, "#pooled li"), shares, atol=1e-6)  # float64 sums of float32 vectors
    means = [layers.mean(axis=1, dtype=np.float64) for layers in states]  # (N + 1, E)
    lengths = [np.linalg.norm(each, axis=1) for each in means]
    scores = (means[0] * means[1]).sum(axis=1) / (lengths[0] * lengths[1])
    assert np.allclose(values(page, "#growth li"), scores, atol=1e-6)
    assert abs(values(page, "#growth li")[-1] - model.similarity(A, B).item()) < 1e-6


def test_the_path_is_drawn_on_the_principal_axes(page: Any, outputs: list[EncoderOutput]) -> None:
    look(page, A, B)
    states = [np.concatenate(output.hidden_states).astype(np.float64) for output in outputs]
    points = np.concatenate([layers.reshape(-1, layers.shape[-1]) for layers in states])
    variances, axes = np.linalg.eigh(np.cov(points.T))  # in ascending order
    read = "all => all.map(({ dataset }) => [Number(dataset.x), Number(dataset.y)])"
    for token in (1, 5):
        page.locator(f"#pieces [data-side='1'][data-token='{token}']").click()
        shown = np.array(page.locator("#path circle").evaluate_all(read))
        expected = (states[1][:, token] - points.mean(axis=0)) @ axes[:, [-1, -2]]
        signs = np.sign((shown * expected).sum(axis=0))  # an axis may point either way
        # eigenvectors of a covariance are singular vectors up to the square root of float64's precision
        assert np.allclose(shown, expected * signs, atol=1e-4)
    percent = 100 * variances[-2:].sum() / variances.sum()
    assert f"{percent:.0f}\u00a0%" in page.locator("#path-says").inner_text()


def test_a_token_can_be_followed_by_keyboard(page: Any, outputs: list[EncoderOutput]) -> None:
    look(page, A, B)
    page.select_option("#layer", "0")
    page.select_option("#head", "2")  # in which every token looks at the one before it
    page.locator("#pieces [data-side='0'][data-token='2']").click()
    said = page.locator("#looks-at").inner_text()
    assert said.startswith("\u2068girl\u2069 looks at \u2068a\u2069 100.0\u00a0%,")
    assert "give the one before them" in page.locator("#habit").inner_text()
    hair = page.locator("#pieces [data-side='1'][data-token='6']")
    hair.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    assert page.locator("#pieces [aria-pressed=true]").count() == 1
    weights = outputs[1].attention_probs[0][0, 2, 6]
    numbers = re.findall(r"(\d+\.\d)\u00a0%", page.locator("#looks-at").inner_text())
    # the page rounds a product in float64 of float32's shortest digits
    assert [float(each) for each in numbers] == pytest.approx(100 * np.sort(weights)[:-6:-1], abs=0.0501)


def test_the_first_head_is_one_that_links_two_words(page: Any, outputs: list[EncoderOutput]) -> None:
    look(page, A, B)
    attention = np.concatenate(outputs[0].attention_probs)  # (N, H, L, L)
    words = np.arange(1, 7)  # no [CLS], no full stop, no [SEP]
    far = abs(words[:, None] - words) >= 2
    among = attention[:, :, 1:7, 1:7] * far
    layer, head, token, other = np.unravel_index(among.argmax(), among.shape)
    assert (page.input_value("#layer"), page.input_value("#head")) == (str(layer), str(head))
    tokens = ["a", "girl", "is", "styling", "her", "hair"]
    link = page.locator("#links button").first.inner_text()
    assert link == f"{tokens[token]} → {tokens[other]} {100 * among.max():.1f}\u00a0%"
    girl = f"{100 * attention[layer, head, 1:-1, 2].mean():.1f}"  # what all give her, which is a habit
    expected = f"The tokens of this head give \u2068girl\u2069 {girl}\u00a0% of their attention on average."
    assert page.locator("#habit").inner_text() == expected
    pressed = "all => all.map(each => each.getAttribute('aria-pressed'))"
    assert page.locator("#links button").evaluate_all(pressed) == ["true", "false", "false", "false"]
    last = page.locator("#links button").last
    name = last.inner_text().split()[0]
    last.click()
    assert page.locator("#links button").evaluate_all(pressed) == ["false", "false", "false", "true"]
    assert page.locator("#looks-at").inner_text().startswith(f"\u2068{name}\u2069 looks at")


def test_the_small_maps_have_a_pixel_for_every_number_of_every_head(
    page: Any, outputs: list[EncoderOutput]
) -> None:
    look(page, A)
    size, gap = 7, 1  # a map of nine pieces is 63 pixels wide, and the gap of at least 6 is one number
    pixels = page.locator("#all-heads").evaluate(
        "each => Array.from(each.getContext('2d').getImageData(0, 0, each.width, each.height).data)"
    )
    attention = np.array(outputs[0].attention_probs)[:, 0].astype(np.float64)  # (N, H, L, L)
    layers, heads, length, _ = attention.shape
    step = length + gap
    drawn = np.reshape(pixels, (layers, step, heads, step, 4))[..., 3] / 255
    assert (drawn[:, length:] == 0).all()
    assert (drawn[:, :, :, length:] == 0).all()
    ground, shade = 0.6 * 0.15, 0.6 * attention  # opacities: one colour over the other
    expected = (shade + ground * (1 - shade)).transpose(0, 2, 1, 3)
    # each of the two opacities is rounded to 1/255, and so is what both make together
    assert np.allclose(drawn[:, :length, :, :length], expected, rtol=0, atol=2 / 255)
    box, frame = (page.locator(name).bounding_box() for name in ("#all-heads", "#head-frame"))
    layer, head = int(page.input_value("#layer")), int(page.input_value("#head"))
    place = (frame["x"] - box["x"], frame["y"] - box["y"])
    assert np.allclose(place, (head * step * size, layer * step * size), atol=1)  # pixels of the screen


def test_the_numbers_of_layers_and_heads_stand_beside_their_small_maps(page: Any) -> None:
    look(page, A)
    box = page.locator("#all-heads").bounding_box()
    for name, start, size, count in (("head", "x", "width", 12), ("layer", "y", "height", 6)):
        places = []
        for i, number in enumerate(page.locator(f"#{name}-numbers span").all()):
            assert number.inner_text() == str(i)
            at = number.bounding_box()
            places.append(at[start] + at[size] / 2 - box[start])
        step = box[size] / count
        assert np.allclose(places, (np.arange(count) + 0.5) * step, atol=1)  # pixels of the screen


def test_each_picture_has_one_sentence_that_says_what_it_shows(page: Any) -> None:
    look(page, A, B)
    sentences = page.locator("#inside-result b[data-text]").all_inner_texts()
    assert len(sentences) == page.locator("#inside-result .origin").count() == 8
    assert all(sentence.endswith(".") and ". " not in sentence for sentence in sentences)


def test_a_click_on_a_small_map_chooses_its_head(page: Any) -> None:
    look(page, A)
    canvas = page.locator("#all-heads")
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * 4.5 / 12, "y": box["height"] * 3.5 / 6})
    assert (page.input_value("#layer"), page.input_value("#head")) == ("3", "4")
    assert not page.locator("#growth-part").is_visible()  # one text has no score


def test_on_a_phone_the_arcs_are_as_wide_as_the_screen(page: Any) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    look(page, A)
    arcs, tabs = (page.locator(name).bounding_box() for name in ("#arcs svg", "#tabs"))
    assert 0 < arcs["width"] <= tabs["width"] < 320


def test_names_that_would_stand_on_each_other_are_left_out_of_the_map(page: Any) -> None:
    look(page, A, A)  # the paths of both texts are the same
    names = page.locator("#path text:not(.layer)").all_text_contents()
    tokens = page.locator("#pieces button bdi").all_inner_texts()
    assert len(tokens) == 18
    assert set(names) <= set(tokens)
    assert len(names) <= 9


def test_the_tokens_stand_in_the_direction_of_their_text(page: Any) -> None:
    look(page, "החתול ישן על הספה.", A)
    read = "all => all.map(each => getComputedStyle(each).direction)"
    assert page.locator("#pieces p").evaluate_all(read) == ["rtl", "ltr"]


def test_64_tokens_are_drawn_and_more_are_refused(page: Any) -> None:
    look(page, "word " * 62)
    assert page.locator("canvas#head-map").is_visible()
    assert page.locator("#pieces button").count() == 64
    page.fill("#inside-a", "word " * 63)
    page.get_by_role("button", name="Look inside").click()
    page.get_by_role("alert").get_by_text("A text is too long to be drawn: at most 64 word pieces").wait_for()
    assert not page.locator("#inside-result").is_visible()


def test_each_picture_links_to_the_function_that_computes_it(page: Any) -> None:
    origins = page.locator(".origin").evaluate_all("all => all.map(({ dataset }) => ({ ...dataset }))")
    assert len(origins) >= 8
    links = page.locator(".origin a:not([hreflang])").evaluate_all("all => all.map(each => each.href)")
    for origin, link in zip(origins, links, strict=True):
        file, function = origin["source"].split()
        source = page.request.get(link.partition("#")[0]).text()
        assert source == (PACKAGE / file).read_text("utf-8")
        assert source.count(f"\ndef {function}(") == 1, f"{file} has no {function}"
        assert link.endswith(f"#:~:text=def%20{function}")


def test_each_picture_links_to_a_section_of_the_notebook(page: Any) -> None:
    home = page.url
    sections = page.locator(".origin").evaluate_all("all => all.map(({ dataset }) => dataset.notebook)")
    links = page.locator(".origin a[hreflang]").evaluate_all("all => all.map(each => each.href)")
    assert len(links) == len(sections) == 8
    for section, link in zip(sections, links, strict=True):
        page.goto(home)
        assert page.goto(link).status == 200
        heading = page.locator(":target")
        assert (heading.evaluate("each => each.localName"), heading.inner_text()) == ("h2", section)
        assert -1 < heading.bounding_box()["y"] < 900  # the browser went there, by whole pixels
    page.get_by_role("link", name="Back to the page").click()
    assert page.get_by_role("tab", name="Inside").get_attribute("aria-selected") == "true"
    assert page.get_by_role("alert").inner_text() == ""
