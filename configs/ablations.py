"""Every row of the paper's Tables 4 and 5: `configs/ablations.py:ROW`, or `ROW,SIZE`.

Table 4 compares what L_rec of Eq. (3) is made of; the squared error and the adversarial term of
Eq. (4) stay as they are:

colormamba     texture features, squared and cosine distance, and SSIM: the objective of ColorMamba
vgg            VGG-19 features alone
histogram      the CDF term alone
texture        texture features alone
full           all of Eq. (3)

Table 5 removes the HSV prediction from the decoder of `full`:

without_spade  SPADE blocks see a constant, which makes them a scale and a shift per channel
with_spade     the same as full

The tables are of VCIP 2020, and so are the crops. SIZE is one of `configs/haqagen.py`; the paper's
is the default.
"""

from ml_collections import ConfigDict

from haqagen_jax.config.load import recipe

# Weights of Eq. (3) that differ from the full objective's.
LOSSES = {
    "colormamba": {"beta": 0.0, "delta": 0.0, "ssim": 1.0},
    "vgg": {"alpha": 0.0, "beta": 0.0, "gamma": 0.0},
    "histogram": {"alpha": 0.0, "gamma": 0.0, "delta": 0.0},
    "texture": {"beta": 0.0, "delta": 0.0},
    "full": {},
    "without_spade": {},
    "with_spade": {},
}


def get_config(row: str = "full") -> ConfigDict:
    """Return the configuration of one row."""
    row, _, size = row.partition(",")
    if row not in LOSSES:
        raise ValueError(f"row = {row!r}: must be one of {', '.join(LOSSES)}")
    config = recipe(size or "paper")
    model = {"hsv_spade": row != "without_spade"}
    config.update({"data": {"precrop": 0}, "loss": LOSSES[row], "model": model})
    return config
