"""The page as text: complete, in one file, and with every name shown letter by letter."""

import html.parser
import math
import re

import numpy as np
import pytest

from haqagen_jax.evaluation.case import Case
from haqagen_jax.evaluation.report import Shown, page

ODD = "<b>a & \"b\" 'c'</b>  図 {{ 7 * 7 }} </script>"
COLUMNS: tuple[str, ...] = ("PSNR sRGB", "LPIPS & <co>")
VALUES = {"a": (9.5, 0.25), ODD: (30.25, 0.5), "c": (math.inf, math.nan), "d": (-math.inf, -1e-9)}
MODELS: tuple[str, ...] = ("small", ODD)
SUMMARY = [["entry", *COLUMNS], *([model, "9 ± 1 [8, 10]", ODD] for model in MODELS)]


def one_case(name):
    grid = np.linspace(0, 1, 64)
    curves = np.stack([grid**power for power in (1, 2, 3)])
    images = {x: f"data:image/jpeg;base64,{x}" for x in ("nir", "prediction", "truth", "error")}
    return Case(name=name, size=(600, 1024), predicted=curves, true=curves**0.1, **images)


@pytest.fixture(scope="module")
def source():
    rows = {name: dict(zip(COLUMNS, values, strict=True)) for name, values in VALUES.items()}
    cases = [Shown("worst", one_case("a")), Shown(ODD, one_case(ODD))]
    facts = {"data": ODD, ODD: "1"}
    return page(ODD, facts, dict.fromkeys(MODELS, rows), SUMMARY, dict.fromkeys(MODELS, cases))


class Reader(html.parser.HTMLParser):
    """All tags in their order, each with its attributes and the text up to the next tag."""

    def __init__(self, source):
        super().__init__()
        self.tags = []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs), ""))

    def handle_endtag(self, tag):
        self.tags.append((f"/{tag}", {}, ""))

    def handle_data(self, data):
        if self.tags:
            tag, attributes, text = self.tags[-1]
            self.tags[-1] = tag, attributes, text + data

    def __call__(self, tag, **wanted):
        return [
            (attributes, text)
            for name, attributes, text in self.tags
            if name == tag and wanted.items() <= attributes.items()
        ]


@pytest.fixture(scope="module")
def read(source):
    return Reader(source)


def test_names_are_shown_letter_by_letter(source, read):
    assert not read("b", **{"class": None})
    assert {x["class"] for x, _ in read("b")} == {"R", "G", "B"}  # ours
    assert source.count("<script") == source.count("</script>") == 1
    for tag in ("title", "h1", "dt", "dd", "option", "summary", "td", "span"):
        assert ODD in [text for _, text in read(tag)], tag
    assert COLUMNS[1] in [text for _, text in read("button")]


def test_a_name_that_is_no_text_is_spelled_out():
    """As a file's name that is not UTF-8, or has a line end in it."""
    rows = {"\udcff\n": {"AE sRGB": 1.0}}
    source = page("\udcff", {"\udcff": "\udcff"}, {"m": rows}, [["\udcff"]], {"m": []})
    assert source.encode().count(rb"\udcff") == 6
    assert r'<td class="name">\udcff\n</td>' in source


def test_nothing_comes_from_elsewhere(source, read):
    policy = read("meta", **{"http-equiv": "Content-Security-Policy"})[0][0]["content"]
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert allowed.pop("default-src") == "'none'"
    assert set(allowed.values()) == {"'none'", "data:", "'unsafe-inline'"}
    addresses = [
        value
        for _, attributes, _ in read.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "poster", "data", "xlink:href")
    ]
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    assert not re.search(r"https?:|//\w|@import|url\(|fetch\(|XMLHttp|WebSocket|eval\(", source)


def test_every_row_has_its_numbers(read):
    cells = [(x["data-value"], text) for x, text in read("td") if "data-value" in x]
    expected = {
        ("9.5", "9.50"),
        ("0.25", "0.250"),
        ("30.25", "30.25"),
        ("0.5", "0.500"),
        ("Infinity", "identical"),
        ("NaN", "nan"),
        ("-Infinity", "-inf"),
        ("-1e-09", "-0.000"),
    }
    assert set(cells) == expected
    assert len(cells) == len(MODELS) * len(VALUES) * len(COLUMNS)
    rows = [x["data-model"] for x, _ in read("tr") if "data-model" in x]
    assert rows == ["1"] * 4 + ["2"] * 4
    names = [text for x, text in read("td", **{"class": "name"})]
    assert names[-16::2] == ["small"] * 4 + [ODD] * 4
    assert names[-15::2] == [*VALUES, *VALUES]


def test_the_summary_is_there(read):
    assert [text for x, text in read("th")][: len(SUMMARY[0])] == SUMMARY[0]
    cells = [text.replace("\n", " ") for _, text in read("td", **{"class": "name"})]
    assert cells[:6] == [*SUMMARY[1], *SUMMARY[2]]


def test_a_case_shows_each_image_in_its_place(read):
    places = {"under": "prediction", "over": "nir", "true": "truth", "error": "error"}
    images = read("img")
    assert len(images) == 4 * 2 * len(MODELS)
    for attributes, _ in images:
        image = places[attributes["class"]]
        assert attributes["src"] == f"data:image/jpeg;base64,{image}"
        assert attributes["alt"]
        assert (attributes["width"], attributes["height"]) == ("512", "300")
    assert [text for _, text in read("span", **{"class": "size"})] == [
        "1024 \N{MULTIPLICATION SIGN} 600"
    ] * 4
    assert [text for _, text in read("span", **{"class": "label"})] == ["worst", ODD] * 2


def test_curves_go_to_their_lines(source, read):
    case = one_case("a")
    for kind, curves in (("prediction", case.predicted), ("truth", case.true)):
        for channel, curve in zip("RGB", curves, strict=True):
            lines = read("polyline", **{"class": f"{channel} {kind}"})
            assert len(lines) == 2 * len(MODELS)
            points = [point.split(",") for point in lines[0][0]["points"].split()]
            x, y = np.array(points, np.float64).T
            np.testing.assert_allclose(x, np.linspace(0, 100, 64), atol=0.051)
            np.testing.assert_allclose(y, 100 - 100 * curve, atol=0.051)  # SVG counts downwards
    assert re.search(r"\.truth \{ stroke-dasharray: \d", source)
    assert "solid: prediction, dashed: truth" in source


def test_the_legend_has_the_colors_and_the_end_of_the_scale(source):
    stops = re.search(r"linear-gradient\(to right, ([^)]*)\)", source)
    assert stops is not None
    colors = stops[1].split(", ")
    assert (colors[0], colors[-1]) == ("#000004", "#fcfdbf")  # of magma, as published
    assert source.count("<span>&ge; 0.5</span>") == 2 * len(MODELS)


def test_a_page_without_cases():
    source = page("t", {}, {"m": {"a": {"AE sRGB": 1.0}}}, [["entry"]], {})
    assert '<section class="case">' not in source
