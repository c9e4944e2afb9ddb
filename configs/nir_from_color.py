"""The network that predicts a NIR image from a color photograph.

Needs `haqagen weights download efficientnet-lite0`. `haqagen pretrain-prior` trains it, to make
pairs on which a colorizer can be pretrained.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Return the configuration."""
    return ConfigDict(
        {
            "model": {"architecture": "nir_from_color", "hsv_encoder": "efficientnet_lite0"},
            "data": {
                "direction": "rgb_to_nir",
                "whole": True,
                "rotate": False,
                "equalize": False,
                "saturation": 0.1,
            },
            "loss": {"mse": 1.0, "hsv": 0.0, "feature": 0.0, "adversarial": 0.0},
            "optim": {
                "learning_rate": 1e-3,
                "final_learning_rate": 1e-5,
                "trunk": 0.25,
                "weight_decay": 0.02,
                "clip": 1.0,
            },
            "train": {
                "steps": 500,
                "batch_size": 8,
                "log_every": 20,
                "validate_every": 100,
                "checkpoint_every": 100,
                "ema": 0.99,
            },
        }
    )
