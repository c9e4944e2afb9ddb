"""The configuration: frozen dataclasses, built once from nested dicts.

A `ConfigDict` lives at the command line only; everything inside the package takes these classes.
Unknown keys and bad values fail here, by name, before anything else happens. Defaults are the
paper's (`haqagen_jax.paper`); what the paper leaves open is marked "ours".
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from haqagen_jax import paper
from haqagen_jax.config.checks import build, require, require_known, require_one_of

ARCHITECTURES = (
    "haqagen",
    "colormamba",
    "prior",
    "nir_from_color",
)  # whose generator and critics; prior: G_B alone
HSV_ENCODERS = ("unet", "efficientnet_lite0")
PREPARATIONS = ("haqagen", "colormamba")  # whose way with the NIR image
# float64 is for comparisons, and needs JAX_ENABLE_X64=1.
PRECISIONS = ("auto", "float32", "bfloat16", "float16", "float64")


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
        """What the height and width of a network's input must be multiples of, pixels."""
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
    whole: bool = False  # ours: samples are squares of any size, up to the whole image, reduced
    direction: str = "nir_to_rgb"  # ours: "rgb_to_nir" learns the NIR images of photographs
    gain: float = 0.0  # ours: jitter of the NIR image; factors in 1 - gain ... 1 + gain,
    gamma: float = 0.0  # exponents in 1 / (1 + gamma) ... 1 + gamma,
    noise: float = 0.0  # and the largest standard deviation of added Gaussian noise
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


@dataclasses.dataclass(frozen=True)
class OptimConfig:
    """AdamW with a cosine decay, the same for both sides (Sec. 4)."""

    learning_rate: float = paper.LEARNING_RATE
    final_learning_rate: float = paper.LEARNING_RATE_FINAL
    b1: float = paper.ADAM_B1
    b2: float = paper.ADAM_B2
    weight_decay: float = paper.WEIGHT_DECAY
    trunk: float = 1.0  # ours: learning rate of a pretrained trunk, to that of the rest
    clip: float = 0.0  # ours: largest norm of a side's gradient; 0 for any

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, "optim.learning_rate", self.learning_rate, "positive")
        require(
            0 <= self.final_learning_rate <= self.learning_rate,
            "optim.final_learning_rate",
            self.final_learning_rate,
            f"in [0, optim.learning_rate = {self.learning_rate}]",
        )
        for name in ("b1", "b2"):
            value = getattr(self, name)
            require(0 <= value < 1, f"optim.{name}", value, "in [0, 1)")
        for name in ("weight_decay", "clip", "trunk"):
            require(getattr(self, name) >= 0, f"optim.{name}", getattr(self, name), "0 or more")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Length and rhythm of a training run, and how it is computed."""

    epochs: int = paper.EPOCHS
    steps: int = 0  # 0: from epochs, the number of pairs and the batch size
    batch_size: int = paper.BATCH_SIZE  # global
    seed: int = 0
    log_every: int = 20
    validate_every: int = 500
    checkpoint_every: int = 500
    validation_samples: int = 4  # rows of the sample image
    fsdp: int = 1  # devices that share each large parameter and its moments; data is over all
    microbatches: int = 1  # parts of a batch that are computed one after another
    remat: bool = False  # compute the blocks' insides again in the backward pass
    precision: str = "auto"  # bfloat16 where the hardware has it, else float32
    ema: float = 0.0  # decay of the generator's moving average; 0 for none

    def __post_init__(self) -> None:
        for name in (
            "batch_size",
            "log_every",
            "validate_every",
            "checkpoint_every",
            "validation_samples",
            "fsdp",
            "microbatches",
        ):
            require(getattr(self, name) > 0, f"train.{name}", getattr(self, name), "positive")
        for name in ("epochs", "steps", "seed"):
            require(getattr(self, name) >= 0, f"train.{name}", getattr(self, name), "0 or more")
        require(
            self.epochs > 0 or self.steps > 0,
            "train.steps",
            self.steps,
            "positive when train.epochs is 0",
        )
        require(
            self.batch_size % self.microbatches == 0,
            "train.microbatches",
            self.microbatches,
            f"a divisor of train.batch_size = {self.batch_size}",
        )
        require_one_of(PRECISIONS, "train.precision", self.precision)
        require(0 <= self.ema < 1, "train.ema", self.ema, "in [0, 1)")


@dataclasses.dataclass(frozen=True)
class TextureConfig:
    """Pretraining of the texture autoencoder f (Sec. 3.2; the numbers are ours)."""

    steps: int = 2000
    batch_size: int = 8
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "learning_rate"):
            require(getattr(self, name) > 0, f"texture.{name}", getattr(self, name), "positive")


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything a run depends on besides its data."""

    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()
    texture: TextureConfig = TextureConfig()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Config":
        """Builds a configuration from nested mappings.

        Args:
            values: section name to mapping of key to value; what is left out keeps its default.

        Raises:
            InputError: an unknown section or key, a value of another type or out of range.
        """
        sections = {field.name: field.type for field in dataclasses.fields(cls)}
        built = {}
        for name, section in values.items():
            require_known(name, sections, "section")
            built[name] = build(sections[name], name, section)  # pyright: ignore
        return cls(**built)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Returns nested dicts that `from_dict` and JSON take back."""
        return dataclasses.asdict(self)
