"""Losses: (prediction, target) -> one value per image; pure, and without weights or networks.

The objective, which weighs them, is in `haqagen_jax.losses.objective`.
"""

from haqagen_jax.losses.adversarial import (
    hinge_critic,
    hinge_generator,
    least_squares_critic,
    least_squares_generator,
)
from haqagen_jax.losses.feature import (
    cosine_distance,
    squared_distance,
    texture_cosine,
    texture_l2,
    vgg_l2,
)
from haqagen_jax.losses.histogram import cdf_l1
from haqagen_jax.losses.objective import critic_objective, generator_objective, reconstruction
from haqagen_jax.losses.pixel import hsv_mse, mse

__all__ = [
    "cdf_l1",
    "cosine_distance",
    "critic_objective",
    "generator_objective",
    "hinge_critic",
    "hinge_generator",
    "hsv_mse",
    "least_squares_critic",
    "least_squares_generator",
    "mse",
    "reconstruction",
    "squared_distance",
    "texture_cosine",
    "texture_l2",
    "vgg_l2",
]
