"""Tables are aligned, mark the best, and hold what was summed up."""

import csv
import io
import json
import math

import pytest

from haqagen_jax.evaluation import tables

SCORES = {
    "model_with a long name": {
        "a": {"PSNR sRGB": 20.0, "AE sRGB": 5.0, "colourfulness": 9.0},
        "b": {"PSNR sRGB": 22.0, "AE sRGB": 7.0, "colourfulness": 3.0},
    },
    "grey": {
        "a": {"PSNR sRGB": 9.996, "AE sRGB": 4.0, "colourfulness": 0.0},
        "b": {"PSNR sRGB": 9.996, "AE sRGB": 4.5, "colourfulness": 0.0},
    },
}
SUMMARIES = tables.summarize_models(SCORES)


def test_text():
    assert tables.text(SUMMARIES).splitlines() == [
        "| model                  | PSNR sRGB | AE sRGB | colourfulness |",
        "| ---------------------- | --------: | ------: | ------------: |",
        "| model_with a long name |    21.00* |    6.00 |           6.0 |",
        "| grey                   |     10.00 |   4.25* |           0.0 |",
        "",
        "The best of each column is marked *.",
    ]


def test_one_model_is_not_best():
    summaries = tables.summarize_models({"grey": SCORES["grey"]})
    assert "*" not in tables.text(summaries)
    assert "mathbf" not in tables.latex(summaries, 2)


def test_markdown_has_deviations_and_intervals():
    lines = tables.markdown(SUMMARIES, 2).splitlines()
    assert "\n".join(lines[:6]) == tables.text(SUMMARIES)
    cell = lines[9].split("|")[2].strip()
    # Of two values: the deviation is their difference over the root of 2, the interval is both.
    assert cell == f"21.00 ± {math.sqrt(2):.2f} [20.00, 22.00]"
    assert lines[-1].startswith("Mean ± standard deviation [95% interval of the mean] over 2 pairs")


def test_latex():
    lines = tables.latex(SUMMARIES, 2).splitlines()
    assert lines[1:4] == [
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r"model & PSNR sRGB & AE sRGB & colourfulness \\",
    ]
    assert lines[5].startswith(
        r"model\_with a long name & $\mathbf{21.00} \pm 1.41$ {\scriptsize$[20.00, 22.00]$} & "
        r"$6.00 \pm 1.41$"
    )
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]


def test_latex_shows_any_name_and_any_number():
    odd = r"50%_{a}\b^~&#$"
    text = tables.latex(tables.summarize_models({odd: {"a": {"PSNR sRGB": math.inf}}}), 1)
    assert (
        r"50\%\_\{a\}\textbackslash{}b\textasciicircum{}\textasciitilde{}\&\#\$ & "
        r"identical \\" in text
    )


def test_csv_and_json():
    rows = list(csv.DictReader(io.StringIO(tables.scores_csv(SCORES))))
    assert [(row["model"], row["image"]) for row in rows] == [
        (model, image) for model in SCORES for image in "ab"
    ]
    for row in rows:
        for column, value in SCORES[row["model"]][row["image"]].items():
            assert float(row[column]) == pytest.approx(value, rel=1e-5)
    report = json.loads(tables.summary_json(SUMMARIES, {"pairs": 2}))
    assert report["pairs"] == 2
    assert report["models"]["grey"]["AE sRGB"]["mean"] == 4.25


def test_json_has_no_infinity():
    summaries = tables.summarize_models({"a": {"x": {"PSNR sRGB": math.inf}}})
    values = json.loads(tables.summary_json(summaries, {}), parse_constant=pytest.fail)["models"]
    undefined = dict.fromkeys(("mean", "deviation", "low", "high"))
    assert values == {"a": {"PSNR sRGB": {**undefined, "identical": 1}}}
