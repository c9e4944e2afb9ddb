"""VCIP 2020 (`haqagen dataset build vcip2020`): patches of 256x256, which leave nothing to crop.

`configs/vcip2020.py:SIZE` takes the sizes of `configs/haqagen.py`; the paper's is the default.
"""

from ml_collections import ConfigDict

from haqagen_jax.config.load import recipe


def get_config(size: str = "paper") -> ConfigDict:
    """Return the configuration of one size."""
    config = recipe(size)
    config.update({"data": {"precrop": 0}})
    return config
