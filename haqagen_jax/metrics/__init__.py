"""Image quality: `b h w c` images, float32 inside, one value per image.

float64 stays float64 where JAX_ENABLE_X64 is set. Values are taken as they are, neither clipped nor
rounded: clip a prediction to [0, 1] first if the saved file will be clipped. A range of 1 is
assumed. The encoding is the caller's choice: apply `ops.color.srgb_to_linear` to both images for
the paper's protocol ("quantitative metrics are computed on linear sRGB", Sec. 4.1); the color
difference, the colorfulness and LPIPS are defined on sRGB-encoded images. Metrics are for
measuring, not for training: psnr is +inf for equal images, and gradients at equality are not
finite, except those of lpips and of the structural similarities.
"""

from haqagen_jax.metrics.color import ciede2000, colorfulness
from haqagen_jax.metrics.perceptual import lpips
from haqagen_jax.metrics.pixel import angular_error, psnr
from haqagen_jax.metrics.seams import seam_energy
from haqagen_jax.metrics.structure import ms_ssim, ssim, ssim_gaussian

__all__ = [
    "angular_error",
    "ciede2000",
    "colorfulness",
    "lpips",
    "ms_ssim",
    "psnr",
    "seam_energy",
    "ssim",
    "ssim_gaussian",
]
