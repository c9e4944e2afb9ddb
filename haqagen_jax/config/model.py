"""Section `model` of the configuration: which networks, and their sizes."""

import dataclasses

from haqagen_jax import paper
from haqagen_jax.config.checks import require, require_one_of

# Whose generator and critics; "prior" is G_B alone.
ARCHITECTURES = ("haqagen", "colormamba", "prior", "nir_from_color")
HSV_ENCODERS = ("unet", "efficientnet_lite0")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Which networks, and their sizes."""

    architecture: str = "haqagen"
    width: int = paper.WIDTH  # channels of G_A's first level; doubled three times
    d_state: int = paper.D_STATE
    expand: int = paper.EXPAND
    spade_hidden: int = paper.SPADE_HIDDEN
    hsv_width: int = 68  # ours: gives G_B the "about 4M" parameters of Sec. 3.3
    critic_width: int = paper.CRITIC_WIDTH
    hsv_spade: bool = True  # condition G_A on G_B's prediction (Table 5)
    even_upsampling: bool = False  # ours: decoder stages that cannot print a grid of period 2
    hsv_encoder: str = "unet"  # of G_B; ours: efficientnet_lite0 starts with ImageNet's weights
    guided: int = 0  # ours: radius of the guided layer behind the network in training; 0 for none
    guided_eps: float = 1e-3

    @property
    def multiple(self) -> int:
        """Number of pixels that divides the height and the width of a network's input."""
        return 32 if self.architecture in ("prior", "nir_from_color") else paper.PATCH

    def __post_init__(self) -> None:
        require_one_of(ARCHITECTURES, "model.architecture", self.architecture)
        require_one_of(HSV_ENCODERS, "model.hsv_encoder", self.hsv_encoder)
        unet, lite0 = HSV_ENCODERS
        only = {"colormamba": unet, "prior": lite0, "nir_from_color": lite0}.get(self.architecture)
        require(
            only in (None, self.hsv_encoder),
            "model.hsv_encoder",
            self.hsv_encoder,
            f"{only} for model.architecture = {self.architecture}",
        )
        require(self.guided >= 0, "model.guided", self.guided, "0 or more pixels")
        require(self.guided_eps >= 1e-6, "model.guided_eps", self.guided_eps, "at least 1e-6")
        require(
            self.hsv_spade or self.architecture != "colormamba",
            "model.hsv_spade",
            self.hsv_spade,
            f"true for model.architecture = {self.architecture}, whose maps are features",
        )
        heads = paper.ATTENTION_HEADS
        require(
            self.width > 0 and self.width % heads == 0,
            "model.width",
            self.width,
            f"a positive multiple of {heads} (the attention's heads)",
        )
        for name in ("d_state", "expand", "spade_hidden", "hsv_width", "critic_width"):
            require(getattr(self, name) > 0, f"model.{name}", getattr(self, name), "positive")
