"""OMSIV (`haqagen dataset build omsiv`): 580x320, so its crops come from the whole image.

Its long side is reduced to 512 first, as everywhere (Sec. 3.3). `configs/omsiv.py:SIZE` takes the
sizes of `configs/haqagen.py`; the paper's is the default.
"""

from ml_collections import ConfigDict

from haqagen_jax.config.load import recipe


def get_config(size: str = "paper") -> ConfigDict:
    """Return the configuration of one size."""
    config = recipe(size)
    config.update({"data": {"precrop": 0}})
    return config
