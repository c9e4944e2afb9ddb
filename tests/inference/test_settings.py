"""Settings are checked without jax, against copies of what ops/ has."""

from haqagen_jax.inference import settings
from haqagen_jax.ops import guided, windows


def test_the_copies_are_what_they_are_copies_of():
    assert settings.LEAST_EPS == guided.LEAST_EPS
    assert settings.WINDOWS == windows.WINDOWS
