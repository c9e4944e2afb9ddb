"""ColorMamba under HAQAGen's protocol: `configs/colormamba.py:SIZE` for VCIP 2020, or `SET,SIZE`.

SET is a file of `configs/` by name (vcip2020, fanvid, omsiv, rgb2nir) and gives the first crop;
SIZE is one of `configs/haqagen.py`; the paper's is the default.

ColorMamba's own (Zhai et al., "ColorMamba: Towards High-quality NIR-to-RGB Spectral Translation
with Mamba", 2024, and its code): the generator, the two critics, and the objective

    L_adv + 100 (20 (MSE + L_rec) of RGB + (MSE + L_rec) of HSV)

with least squares for L_adv, and for L_rec the squared and the cosine distance of an autoencoder's
features and one minus the similarity over five scales, each of weight 1.

What differs from its published training:

* The features are those of the texture autoencoder f, after instance normalization; its own
  autoencoder takes six bands and is not normalized.
* Each scale of the similarity has the weight of Wang et al. (2003). Its code multiplies the last
  scale into each of the other four, and so gives it four times that weight. It also averages the
  similarities over the batch before they are multiplied; here each image has its own.
* AdamW, the batch size, the schedule and the augmentation are HAQAGen's, training begins from
  random weights, and the generator is updated once for each update of the critics. There it is
  Adam, pretrained weights to begin with, and two updates of the generator.
* Images are prepared as HAQAGen's are, each as a whole, and the HSV target is the plain HSV of the
  RGB target. There patches of 200x200 are enlarged to 256x256, and NIR, RGB and HSV each stretched
  from the least to the greatest value of the patch, over all channels together.
"""

from ml_collections import ConfigDict

from haqagen_jax.config.load import recipe
from haqagen_jax.config.schema import Config


def get_config(argument: str = "paper") -> ConfigDict:
    """Return the configuration of one set and size."""
    name, _, size = argument.rpartition(",")
    config = recipe(size, f"configs/{name or 'vcip2020'}.py")
    width = Config.from_dict(config.to_dict()).model.width
    config.update(
        {
            "model": {
                "architecture": "colormamba",
                "hsv_width": width // 2,
                "even_upsampling": False,
            },
            "loss": {
                "mse": 2000.0,
                "feature": 2000.0,
                "hsv": 0.05,
                "alpha": 1.0,
                "beta": 0.0,
                "gamma": 1.0,
                "delta": 0.0,
                "ssim": 1.0,
                "ssim_scales": 5,
                "adversarial": 1.0,
                "adversary": "least_squares",
            },
        }
    )
    return config
