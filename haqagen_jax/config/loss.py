"""Section `loss` of the configuration: weights and forms of the objective's terms."""

import dataclasses

from haqagen_jax import paper
from haqagen_jax.config.checks import require, require_one_of


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights of Eq. (3) and (4), the parameters of the histogram, and the forms of terms."""

    alpha: float = paper.ALPHA
    beta: float = paper.BETA
    gamma: float = paper.GAMMA
    delta: float = paper.DELTA
    vgg_network: str = "vgg19"  # whose features delta weighs; vgg16 is ours
    mse: float = paper.LAMBDA_MSE
    feature: float = paper.LAMBDA_FEAT
    adversarial: float = paper.LAMBDA_ADV
    bins: int = paper.HISTOGRAM_BINS
    tau: float = paper.HISTOGRAM_TAU
    ssim: float = 0.0  # weight of 1 - SSIM in L_rec, which Table 4's first row has
    ssim_scales: int = 1  # 5: the similarity over five scales in its place
    network_mse: float = 0.0  # ours: of the network's own colors, before the guided layer
    hsv: float = 1.0  # of all HSV terms but the adversarial, relative to RGB's; 1 in Eq. (4)
    adversary: str = "hinge"
    kernel: str = "triangular"
    hue: str = "linear"

    def __post_init__(self) -> None:
        terms = "alpha beta gamma delta ssim hsv mse feature adversarial network_mse"
        for name in terms.split():
            require(getattr(self, name) >= 0, f"loss.{name}", getattr(self, name), "0 or more")
        require(self.ssim_scales in (1, 5), "loss.ssim_scales", self.ssim_scales, "1 or 5")
        require_one_of(("vgg19", "vgg16"), "loss.vgg_network", self.vgg_network)
        require_one_of(("hinge", "least_squares"), "loss.adversary", self.adversary)
        require(self.bins >= 2, "loss.bins", self.bins, "2 or more")
        require(self.tau > 0, "loss.tau", self.tau, "positive")
        require_one_of(("triangular", "logistic"), "loss.kernel", self.kernel)
        require_one_of(("linear", "circular"), "loss.hue", self.hue)
