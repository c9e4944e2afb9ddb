"""Settings are checked without jax, by copies of constants of `haqagen_jax.ops`."""

from haqagen_jax.inference import settings
from haqagen_jax.ops import guided, windows


def test_copied_constants_equal_their_originals():
    assert settings.LEAST_EPS == guided.LEAST_EPS
    assert settings.WINDOWS == windows.WINDOWS
