"""The recipe, at four sizes: `configs/haqagen.py:paper`, `base`, `small`, `tiny`.

paper  the paper's: every default of `haqagen_jax.config.schema`, which cites its source
base   half the width; for one accelerator
small  the bundled model's size: its float16 weights fit in 12 MB; trains on a CPU in hours
tiny   for tests and demonstrations; trains in minutes
"""

from ml_collections import ConfigDict


def get_config(size: str = "paper") -> ConfigDict:
    """Return the configuration of one size."""
    sizes = {"paper": {}, "base": _base(), "small": _small(), "tiny": _tiny()}
    if size not in sizes:
        raise ValueError(f"size = {size!r}: must be one of {', '.join(sizes)}")
    return ConfigDict(sizes[size])


def _base() -> dict:
    return {
        "model": {"width": 32, "spade_hidden": 64, "hsv_width": 32, "even_upsampling": True},
        "train": {"batch_size": 8, "ema": 0.999},
    }


def _small() -> dict:
    return {
        "model": {
            "width": 16,
            "d_state": 8,
            "spade_hidden": 16,
            "hsv_width": 16,
            "critic_width": 16,
            "even_upsampling": True,
        },
        # Photographs are upright, so rotations would not help. Equalization removes tones, which a
        # network cannot learn to restore from few pairs.
        "data": {"equalize": False, "rotate": False},
        # Hours on a CPU are few steps, so the rate is higher than the paper's 1e-4.
        "optim": {"learning_rate": 1e-3, "final_learning_rate": 1e-5},
        "train": {
            "steps": 850,
            "batch_size": 4,
            "log_every": 17,
            "validate_every": 85,
            "checkpoint_every": 85,
            "ema": 0.99,
        },
        "texture": {"steps": 600, "batch_size": 4},
    }


def _tiny() -> dict:
    return {
        "model": {
            "width": 8,
            "d_state": 4,
            "spade_hidden": 8,
            "hsv_width": 8,
            "critic_width": 8,
        },
        "optim": {"learning_rate": 1e-3, "final_learning_rate": 1e-5},
        "train": {
            "steps": 200,
            "batch_size": 2,
            "log_every": 10,
            "validate_every": 100,
            "checkpoint_every": 100,
        },
        "texture": {"steps": 100, "batch_size": 4},
    }
