"""The page in a browser: no error, no request, and what is to move moves."""

import math
import shutil

import numpy as np
import pytest

from haqagen_jax.evaluation.case import make_case
from haqagen_jax.evaluation.report import Shown, page

CHROMIUM = shutil.which("chromium")
ODD = '<b>a & "b"</b>  図'
COLUMNS: tuple[str, ...] = ("PSNR sRGB", "LPIPS")
VALUES = {"c": (math.inf, math.nan), ODD: (30.25, 0.5), "a": (9.5, 0.25), "d": (100.0, -math.inf)}
MODELS: tuple[str, ...] = ("small", "two  spaces", "two spaces")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs Chromium and playwright: pip install playwright"
    )
    if CHROMIUM is None:
        pytest.skip("needs Chromium and playwright: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        # A container's root has no sandbox.
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    rng = np.random.default_rng(0)
    rows = {name: dict(zip(COLUMNS, values, strict=True)) for name, values in VALUES.items()}
    shown = [
        Shown(label, make_case(name, rng.random((30, 40)), *rng.random((2, 30, 40, 3), np.float32)))
        for label, name in (("worst", "a"), ("best", ODD))
    ]
    source = page(
        ODD,
        {"data": ODD},
        dict.fromkeys(MODELS, rows),
        [["entry", "PSNR"], *([name, "1 ± 1 [0, 2]"] for name in MODELS)],
        dict.fromkeys(MODELS, shown),
    )
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(source, "utf-8")
    return path


@pytest.fixture
def opened(browser, file):
    """The page; at the end there must have been no message, error or request."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    view = context.new_page()
    wrong, asked = [], []
    view.on("console", lambda message: wrong.append(message.text))
    view.on("pageerror", lambda error: wrong.append(str(error)))
    view.on("request", lambda request: asked.append(request.url))
    view.goto(file.as_uri())
    yield view
    context.close()
    assert not wrong
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]


def images(view):
    return view.locator("#images tbody tr:visible td:nth-child(2)").all_text_contents()


def widths(view, section):
    """Shares of the image, in percent: what lies on top, and where the line is drawn."""
    share = """stack => {
        const clip = getComputedStyle(stack.querySelector(".over")).clipPath;
        const [top, right, bottom, left = right] = clip.match(/inset\\((.*)\\)/)[1]
            .split(/ (?![^(]*\\))/);
        const probe = stack.appendChild(document.createElement("div"));
        probe.style.cssText = `position: absolute; height: 1px; width: ${right}`;
        const width = stack.getBoundingClientRect().width;
        const cut = probe.getBoundingClientRect().width;
        probe.remove();
        return [100 * (1 - cut / width), 100 * parseFloat(getComputedStyle(stack, "::after").left)
            / width];
    }"""
    return section.locator(".stack").evaluate(share)


def test_all_pictures_are_decoded(opened):
    every = opened.locator("img")
    assert every.count() == 4 * 2 * len(MODELS)
    for section in opened.locator(".case").all():
        section.scroll_into_view_if_needed()  # those far away may wait
    loaded = "() => [...document.images].every(image => image.complete && image.naturalWidth)"
    opened.wait_for_function(loaded)
    sizes = every.evaluate_all("images => images.map(x => [x.naturalWidth, x.naturalHeight])")
    assert sizes == [[40, 30]] * every.count()


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (["ArrowRight"], 51),
        (["ArrowLeft"] * 3, 47),
        (["End", "ArrowRight"], 100),
        (["Home", "ArrowLeft"], 0),
    ],
)
def test_keys_move_the_slider_within_its_ends(opened, keys, place):
    section, other = opened.locator(".case").nth(1), opened.locator(".case").first
    assert widths(opened, section) == pytest.approx([50, 50], abs=0.5)
    section.locator("input").focus()
    for key in keys:
        opened.keyboard.press(key)
    assert section.locator("input").input_value() == str(place)
    assert widths(opened, section) == pytest.approx([place, place], abs=0.5)
    text = section.locator("input").get_attribute("aria-valuetext")
    assert text == f"{place} % near infrared"
    assert widths(opened, other) == pytest.approx([50, 50], abs=0.5)


def test_the_slider_is_dragged_below_and_on_the_picture(opened):
    section = opened.locator(".case").first
    for element in (section.locator("input"), section.locator(".stack")):
        element.scroll_into_view_if_needed()
        box = element.bounding_box()
        middle = box["y"] + box["height"] / 2
        opened.mouse.move(box["x"] + 0.4 * box["width"], middle)
        opened.mouse.down()
        opened.mouse.move(box["x"] + 0.75 * box["width"], middle)
        assert widths(opened, section) == pytest.approx([75, 75], abs=3)
        opened.mouse.move(box["x"] + 2.2 * box["width"], middle)
        assert widths(opened, section) == pytest.approx([100, 100], abs=0.5)
        opened.mouse.up()
        opened.mouse.move(box["x"] + 0.5 * box["width"], middle)  # nothing is held
        assert widths(opened, section) == pytest.approx([100, 100], abs=0.5)


def test_two_pictures_are_chosen(opened):
    section = opened.locator(".case").first
    left, right = section.locator(".over"), section.locator(".under")
    nir, prediction = left.get_attribute("src"), right.get_attribute("src")
    truth = section.get_by_alt_text("truth").get_attribute("src")
    for words, sources in (
        ("near infrared | truth", (nir, truth)),
        ("prediction | truth", (prediction, truth)),
        ("near infrared | prediction", (nir, prediction)),
    ):
        section.get_by_label("Compare").select_option(words)
        assert (left.get_attribute("src"), right.get_attribute("src")) == sources
        assert section.locator(".stack span").all_text_contents() == words.split(" | ")
        assert [x.get_attribute("alt") for x in (left, right)] == words.split(" | ")


@pytest.mark.parametrize(
    ("column", "rising", "falling"),
    [
        # As words, 100 and 30.25 would come before 9.5; what is no number stays at the end.
        ("PSNR sRGB", ["a", ODD, "d", "c"], ["c", "d", ODD, "a"]),
        ("LPIPS", ["d", "a", ODD, "c"], [ODD, "a", "d", "c"]),
        ("image", [ODD, "a", "c", "d"], ["d", "c", "a", ODD]),
    ],
)
def test_columns_sort_up_and_down(opened, column, rising, falling):
    opened.get_by_label("Model").select_option("small")
    assert images(opened) == list(VALUES)
    button = opened.get_by_role("button", name=column)
    button.click()
    assert images(opened) == rising
    assert opened.locator("[aria-sort=ascending]").all_text_contents() == [column]
    button.focus()
    opened.keyboard.press("Enter")
    assert images(opened) == falling
    assert opened.locator("[aria-sort]").all_text_contents() == [column]
    assert opened.locator("[aria-sort=descending]").all_text_contents() == [column]
    values = opened.locator("#images tbody tr:visible").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    for _, name, *numbers in values:  # a row stays together
        psnr, lpips = VALUES[name]
        told = "identical" if psnr == math.inf else f"{psnr:.2f}"
        assert numbers == [told, f"{lpips:.3f}"]


def test_rows_are_filtered(opened):
    def state():
        return images(opened), opened.get_by_role("status").text_content()

    assert state() == ([*VALUES] * 3, "12 of 12 rows")
    for model in (2, 3):  # they differ in spaces only
        opened.get_by_label("Model").select_option(index=model)
        assert state() == ([*VALUES], "4 of 12 rows")
        rows = opened.locator("#images tbody tr:visible td:first-child").all_text_contents()
        assert rows == [MODELS[model - 1]] * 4
    opened.get_by_role("searchbox", name="Image").fill('& "B')
    assert state() == ([ODD], "1 of 12 rows")
    opened.get_by_label("Model").select_option("all")
    assert state() == ([ODD] * 3, "3 of 12 rows")
    opened.get_by_role("searchbox", name="Image").fill("nothing")
    assert state() == ([], "0 of 12 rows")


def test_names_are_shown_letter_by_letter(opened):
    assert opened.title() == '<b>a & "b"</b> 図'  # a title has no double spaces
    assert opened.locator("h1").inner_text() == ODD
    assert ODD in opened.locator(".case h3").nth(1).inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_its_window_and_its_light(opened, scheme):
    opened.emulate_media(color_scheme=scheme)
    for width in (320, 390, 1280):
        opened.set_viewport_size({"width": width, "height": 800})
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
    colors = opened.evaluate(
        "['backgroundColor', 'color'].map(x => getComputedStyle(document.body)[x])"
    )
    ground, text = (sum(map(int, x.strip("rgb()").split(","))) / 765 for x in colors)
    assert abs(ground - text) > 0.7
    assert (ground > text) == (scheme == "light")


def test_many_rows_stay_usable(browser, tmp_path):
    """500 images of 6 models: a click is answered in well under the time that one would wait."""
    rng = np.random.default_rng(0)
    scores = {
        f"model {m}": {f"scene_{i:04d}": {"PSNR": x} for i, x in enumerate(rng.random(500))}
        for m in range(6)
    }
    (tmp_path / "page.html").write_text(page("t", {}, scores, [["entry"]], {}), "utf-8")
    view = browser.new_page()
    view.goto((tmp_path / "page.html").as_uri())
    took = view.get_by_role("button", name="PSNR").evaluate("""button => {
        const start = performance.now();
        button.click();
        document.body.offsetHeight;
        return performance.now() - start;
    }""")
    shown = view.locator("#images tbody td:last-child").all_text_contents()
    view.close()
    assert shown == sorted(shown)
    assert len(shown) == 3000
    assert took < 5000  # about 200 on one slow core
