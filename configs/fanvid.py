"""FANVID (`haqagen dataset build fanvid`): 2048x1536, so crops of 384 come before those of 256.

Sec. 4.1 says so for the two sets of high resolution. `configs/fanvid.py:SIZE` takes the sizes of
`configs/haqagen.py`; the paper's is the default.
"""

from ml_collections import ConfigDict

from haqagen_jax.config.load import recipe


def get_config(size: str = "paper") -> ConfigDict:
    """Return the configuration of one size."""
    config = recipe(size)
    config.update({"data": {"precrop": 384}})
    return config
