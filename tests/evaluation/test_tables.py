"""Tables are aligned, mark the best, and say where they could not be written."""

import pytest

from haqagen_jax.errors import InputError
from haqagen_jax.evaluation import tables

SCORES = {
    "model with a long name": {"a": {"PSNR sRGB": 20.0, "AE sRGB": 5.0}},
    "grey": {"a": {"PSNR sRGB": 9.996, "AE sRGB": 4.0}},
}


def test_text():
    assert tables.text(SCORES).splitlines() == [
        "| model                  | PSNR sRGB | AE sRGB |",
        "| ---------------------- | --------: | ------: |",
        "| model with a long name |    20.00* |    5.00 |",
        "| grey                   |     10.00 |   4.00* |",
        "",
        "The best of each column is marked *.",
    ]


def test_one_model_is_not_best():
    assert "*" not in tables.text({"grey": SCORES["grey"]})


def test_means():
    rows = {"a": {"AE sRGB": 1.0}, "b": {"AE sRGB": 4.0}}
    assert tables.means(rows) == {"AE sRGB": 2.5}


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/out: cannot be written into .*another folder"):
        tables.write(tmp_path / "file" / "out", SCORES, "data")
