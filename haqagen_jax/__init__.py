"""HAQAGen in JAX: natural colour from near-infrared pictures."""

from haqagen_jax.version import __version__

__all__ = ["__version__"]
