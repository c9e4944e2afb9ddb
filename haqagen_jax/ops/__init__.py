"""Pure array functions: no parameters, no configuration, no files."""

from haqagen_jax.ops.color import (
    hsv_to_rgb,
    linear_to_srgb,
    rgb_to_hsv,
    rgb_to_lab,
    srgb_to_linear,
)
from haqagen_jax.ops.conv import conv_transpose4x4
from haqagen_jax.ops.cross_scan import cross_merge, cross_scan
from haqagen_jax.ops.depthwise import depthwise_conv
from haqagen_jax.ops.guided import box_mean, guided_coefficients, guided_filter
from haqagen_jax.ops.histogram import soft_cdf, soft_histogram
from haqagen_jax.ops.normalize import instance_norm
from haqagen_jax.ops.resample import adaptive_mean, halve, resize_bilinear, resize_nearest
from haqagen_jax.ops.selective_scan import selective_scan
from haqagen_jax.ops.windows import WINDOWS, window

__all__ = [
    "WINDOWS",
    "adaptive_mean",
    "box_mean",
    "conv_transpose4x4",
    "cross_merge",
    "cross_scan",
    "depthwise_conv",
    "guided_coefficients",
    "guided_filter",
    "halve",
    "hsv_to_rgb",
    "instance_norm",
    "linear_to_srgb",
    "resize_bilinear",
    "resize_nearest",
    "rgb_to_hsv",
    "rgb_to_lab",
    "selective_scan",
    "soft_cdf",
    "soft_histogram",
    "srgb_to_linear",
    "window",
]
