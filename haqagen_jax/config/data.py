"""Section `data` of the configuration: preprocessing and augmentation."""

import dataclasses

from haqagen_jax import paper
from haqagen_jax.config.checks import require, require_one_of

PREPARATIONS = ("haqagen", "colormamba")  # whose preparation of the NIR image


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Preprocessing and augmentation (Sec. 3.3 and 4.1)."""

    crop: int = paper.PATCH
    precrop: int = paper.PRECROP  # 0: no crop before the crop
    clamp: int = paper.LONG_SIDE
    preparation: str = "haqagen"  # "colormamba": its own, for its published weights
    equalize: bool = True
    nir_percentiles: tuple[float, float] = (0.0, 100.0)
    rgb_minmax: bool = False
    rgb_transfer: str = "srgb"
    flip: float = paper.FLIP_PROBABILITY
    rotate: bool = True
    saturation: float = paper.SATURATION_JITTER
    whole: bool = False  # ours: crops are squares of any size up to the whole image, resized
    direction: str = "nir_to_rgb"  # ours: "rgb_to_nir" learns the NIR images of photographs
    # Ours: jitter of the NIR image.
    gain: float = 0.0  # factors are in 1 - gain ... 1 + gain
    gamma: float = 0.0  # exponents are in 1 / (1 + gamma) ... 1 + gamma
    noise: float = 0.0  # largest standard deviation of added Gaussian noise
    workers: int = 0

    @property
    def linear(self) -> bool:
        """Whether colors are linear light where networks and losses see them, not sRGB-encoded."""
        return self.rgb_transfer == "linear"

    def __post_init__(self) -> None:
        patch = paper.PATCH
        require(
            self.crop > 0 and self.crop % patch == 0,
            "data.crop",
            self.crop,
            f"a positive multiple of {patch} (eight halvings)",
        )
        require(
            self.precrop == 0 or self.precrop >= self.crop,
            "data.precrop",
            self.precrop,
            f"0 or at least data.crop = {self.crop}",
        )
        require(
            self.clamp >= self.crop, "data.clamp", self.clamp, f"at least data.crop = {self.crop}"
        )
        low, high = self.nir_percentiles
        require(
            0 <= low < high <= 100,
            "data.nir_percentiles",
            self.nir_percentiles,
            "two rising values in [0, 100]",
        )
        require_one_of(PREPARATIONS, "data.preparation", self.preparation)
        require(
            self.preparation == "haqagen"
            or (not self.equalize and self.nir_percentiles == (0.0, 100.0)),
            "data.preparation",
            self.preparation,
            "haqagen where data.equalize is true or data.nir_percentiles are not 0 and 100",
        )
        require_one_of(("srgb", "linear"), "data.rgb_transfer", self.rgb_transfer)
        require_one_of(("nir_to_rgb", "rgb_to_nir"), "data.direction", self.direction)
        require(0 <= self.flip <= 1, "data.flip", self.flip, "a probability in [0, 1]")
        for name in ("saturation", "gain"):
            require(0 <= getattr(self, name) < 1, f"data.{name}", getattr(self, name), "in [0, 1)")
        for name in ("gamma", "noise"):
            require(getattr(self, name) >= 0, f"data.{name}", getattr(self, name), "0 or more")
        require(self.workers >= 0, "data.workers", self.workers, "0 or more")
