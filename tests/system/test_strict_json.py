"""JSON without NaN and infinity, whichever way they come."""

import math

import pytest

from haqagen_jax.system import strict_json


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_not_written(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        strict_json.dumps({"a": [value]})


@pytest.mark.parametrize("text", ['{"a": NaN}', "[Infinity]", "-Infinity", "1e999", b"[-1e999]"])
def test_what_is_not_finite_is_not_read(text):
    with pytest.raises(ValueError, match="is not a number in JSON"):
        strict_json.loads(text)


def test_there_and_back():
    value = {"a": [1, 2.5, None, True, "x"], "b": {"c": 1e-300}}
    assert strict_json.loads(strict_json.dumps(value)) == value


def test_finite_puts_nothing_in_the_place_of_what_is_no_number():
    value = {"a": math.nan, "b": (1.5, math.inf), "c": {"d": "nan"}}
    assert strict_json.finite(value) == {"a": None, "b": [1.5, None], "c": {"d": "nan"}}
