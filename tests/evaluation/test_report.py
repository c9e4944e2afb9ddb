"""The page: complete, in one file, and in nobody's debt for what names hold."""

import itertools
import math
import re
import shutil

import numpy as np
import pytest

from haqagen_jax.evaluation.case import case
from haqagen_jax.evaluation.report import Shown, page
from haqagen_jax.evaluation.tables import summaries

ODD = '<b>a & "b"</b> 図'
COLUMNS = ("PSNR sRGB", "SSIM linear", "LPIPS")
VALUES = {
    "a": (9.5, 0.5, 0.25),
    ODD: (30.25, 0.75, 0.5),
    "c": (math.inf, 1.0, math.nan),
    "d": (100.0, -0.5, 0.125),
}


@pytest.fixture(scope="module")
def html():
    rows = {name: dict(zip(COLUMNS, values, strict=True)) for name, values in VALUES.items()}
    scores = {"small": rows, "grey <resized>": rows}
    rng = np.random.default_rng(0)
    cases = {
        model: [
            Shown(label, case(name, rng.random((30, 40)), *rng.random((2, 30, 40, 3), np.float32)))
            for label, name in (("worst", "a"), ("best", ODD))
        ]
        for model in scores
    }
    facts = {"data": "<script>alert(1)</script>"}
    return page("T & T", facts, scores, summaries(scores), cases)


def test_names_are_shown_literally(html):
    assert "<b>" not in html
    assert "<script>alert" not in html
    assert "&lt;b&gt;a &amp; &#34;b&#34;&lt;/b&gt; 図" in html
    assert "<title>T &amp; T</title>" in html


def test_nothing_comes_from_elsewhere(html):
    assert "default-src 'none'" in html
    assert not re.search(r"https?://|@import|url\(|<link(?![^>]*data:,)|<iframe|fetch\(", html)
    assert set(re.findall(r'src="([^:"]*)', html)) == {"data"}


def test_every_value_is_there(html):
    body = html[html.index('id="images"') :]
    assert body.count("<td data-v=") == 2 * len(VALUES) * len(COLUMNS)
    for text in ('"9.5">9.50<', '"Infinity">inf<', '"NaN">nan<', '"-0.5">-0.500<'):
        assert f"data-v={text}" in body


def test_the_curves_are_dashed_for_the_truth(html):
    assert html.count('class="R true"') == html.count('class="B predicted"') == 4
    points = re.search(r'class="G predicted" points="([^"]*)"', html)
    assert points is not None
    x, y = zip(*(map(float, point.split(",")) for point in points[1].split()), strict=True)
    assert (x[0], x[-1], y[-1]) == (0.0, 100.0, 0.0)
    assert all(a >= b for a, b in itertools.pairwise(y))  # SVG counts downwards


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Debian's Chromium")
    with playwright.sync_playwright() as one:
        found = one.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield found
        found.close()


@pytest.fixture
def opened(browser, html, tmp_path):
    (tmp_path / "report.html").write_text(html, "utf-8")
    page = browser.new_page()
    wrong, asked = [], []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{tmp_path / 'report.html'}")
    yield page
    assert not wrong
    assert [url for url in asked if not url.startswith("data:")] == [
        f"file://{tmp_path / 'report.html'}"
    ]
    page.close()


def names(opened):
    return opened.locator("#images tbody tr:visible td:nth-child(2)").all_text_contents()


def test_the_slider_uncovers(opened):
    figure = opened.locator(".case figure").first
    slider, over = figure.locator("input"), figure.locator(".both img").last

    def covered():
        return over.evaluate("image => getComputedStyle(image).clipPath")

    assert covered() == "inset(0px 0px 0px 50%)"
    slider.fill("20")
    assert covered() == "inset(0px 0px 0px 20%)"
    slider.focus()
    opened.keyboard.press("ArrowRight")
    assert covered() == "inset(0px 0px 0px 21%)"
    opened.keyboard.press("End")
    opened.keyboard.press("ArrowRight")
    assert covered() == "inset(0px 0px 0px 100%)"
    box = slider.bounding_box()
    opened.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert covered() == "inset(0px 0px 0px 50%)"


def test_the_truth_can_be_put_under(opened):
    section = opened.locator(".case").first
    under = section.locator(".under")
    nir, truth = under.get_attribute("src"), section.get_by_alt_text("truth").get_attribute("src")
    assert nir != truth
    section.locator("select").select_option("truth")
    assert under.get_attribute("src") == truth
    section.locator("select").select_option("nir")
    assert under.get_attribute("src") == nir


def test_columns_sort_as_numbers_up_and_down(opened):
    opened.locator("#model").select_option("small")
    button = opened.get_by_role("button", name="PSNR sRGB")
    button.click()
    assert names(opened) == ["a", ODD, "d", "c"]
    assert opened.locator("th[aria-sort=ascending]").all_text_contents() == ["PSNR sRGB"]
    button.click()
    assert names(opened) == ["c", "d", ODD, "a"]
    button = opened.get_by_role("button", name="LPIPS")
    button.click()
    assert names(opened) == ["d", "a", ODD, "c"]
    button.click()
    assert names(opened) == [ODD, "a", "d", "c"]  # what is no number stays at the end
    opened.get_by_role("button", name="image").focus()
    opened.keyboard.press("Enter")
    assert names(opened)[-3:] == ["a", "c", "d"]


def test_rows_are_filtered(opened):
    assert len(names(opened)) == 8
    assert opened.locator("#count").text_content() == "8 of 8 rows"
    opened.locator("#model").select_option("grey <resized>")
    assert names(opened) == list(VALUES)
    opened.locator("#name").fill('& "B')
    assert names(opened) == [ODD]
    assert opened.locator("#count").text_content() == "1 of 8 rows"
