"""`fast`: G_B alone on a pretrained trunk, behind the guided layer; for whole images, in real time.

Needs `haqagen weights download efficientnet-lite0`, and no texture autoencoder.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Return the configuration."""
    return ConfigDict(
        {
            "model": {
                "architecture": "prior",
                "hsv_encoder": "efficientnet_lite0",
                "guided": 8,
            },
            "data": {
                "whole": True,
                "equalize": False,
                "rotate": False,
                "gain": 0.15,
                "gamma": 0.3,
                "noise": 0.03,
            },
            "loss": {
                "mse": 1.0,
                "network_mse": 0.25,
                "hsv": 0.0,
                "feature": 0.0,
                "adversarial": 0.0,
            },
            "optim": {
                "learning_rate": 1e-3,
                "b1": 0.9,
                "final_learning_rate": 1e-5,
                "trunk": 0.25,
                "weight_decay": 0.02,
                "clip": 1.0,
            },
            "train": {
                "steps": 4000,
                "batch_size": 8,
                "log_every": 20,
                "validate_every": 200,
                "checkpoint_every": 200,
                "ema": 0.998,
            },
        }
    )
