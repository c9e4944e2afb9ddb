"""The configuration: the paper's numbers, a round trip, and every mistake named."""

import dataclasses
import json

import pytest

from haqagen_jax.config.schema import (
    Config,
    DataConfig,
    LossConfig,
    ModelConfig,
    OptimConfig,
    TrainConfig,
)
from haqagen_jax.errors import InputError


def test_the_defaults_are_the_papers():
    config = Config()
    loss, optim, train, data = config.loss, config.optim, config.train, config.data
    assert (loss.alpha, loss.beta, loss.gamma, loss.delta) == (1.0, 1.5, 1.0, 0.2)
    assert (loss.mse, loss.feature, loss.adversarial) == (15.0, 15.0, 1.0)
    assert (loss.bins, loss.tau, loss.kernel) == (64, 0.02, "triangular")
    assert loss.vgg_network == "vgg19"
    assert (loss.adversary, loss.hsv, loss.ssim) == ("hinge", 1.0, 0.0)
    assert (optim.learning_rate, optim.final_learning_rate) == (1e-4, 1e-6)
    assert (optim.b1, optim.b2, optim.weight_decay) == (0.5, 0.999, 1e-4)
    assert (train.epochs, train.batch_size) == (50, 16)
    assert (data.crop, data.precrop, data.clamp) == (256, 384, 512)
    assert (data.flip, data.rotate, data.saturation) == (0.5, True, 0.1)
    assert (data.equalize, data.rgb_transfer) == (True, "srgb")
    assert (config.model.width, config.model.d_state, config.model.expand) == (64, 16, 2)
    assert (config.model.spade_hidden, config.model.critic_width) == (128, 64)


OTHER = Config(
    model=ModelConfig(width=8, even_upsampling=True),
    data=DataConfig(nir_percentiles=(1.0, 99.5), rgb_transfer="linear", precrop=0),
    loss=LossConfig(
        delta=0.0, vgg_network="vgg16", kernel="logistic", hue="circular", hsv=0.5, ssim_scales=5
    ),
    optim=OptimConfig(learning_rate=1e-3),
    train=TrainConfig(steps=7, batch_size=2),
)


@pytest.mark.parametrize("config", [Config(), OTHER])
def test_it_survives_json(config):
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_what_is_left_out_keeps_its_default():
    config = Config.from_dict({"loss": {"delta": 0}, "train": {}})
    assert config == Config(loss=LossConfig(delta=0.0))
    assert type(config.loss.delta) is float  # an integer was given


def test_it_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().loss.delta = 0.0  # pyright: ignore


@pytest.mark.parametrize(
    ("values", "message"),
    [
        # What does not exist, with what was probably meant.
        ({"modle": {}}, "modle: unknown section of the configuration; did you mean model?"),
        ({"x": {}}, "x: unknown section of the configuration; known: model, data, loss, optim, "),
        ({"model": {"widht": 8}}, "model.widht: unknown key .*did you mean model.width?"),
        (
            {"train": {"zzz": 1}},
            "train.zzz: unknown key of the configuration; known: epochs, steps, ",
        ),
        # Another type.
        ({"model": 8}, "model = 8: must be a section of keys, not a value"),
        ({"model": {"width": "8"}}, "model.width = '8': must be of type int"),
        ({"model": {"width": 8.0}}, "model.width = 8.0: must be of type int"),
        ({"train": {"steps": True}}, "train.steps = True: must be of type int"),
        ({"loss": {"delta": False}}, "loss.delta = False: must be of type float"),
        ({"loss": {"delta": None}}, "loss.delta = None: must be of type float"),
        ({"data": {"equalize": 1}}, "data.equalize = 1: must be of type bool"),
        ({"data": {"nir_percentiles": [1]}}, r"data.nir_percentiles = \[1\]: must be 2 numbers"),
        (
            {"data": {"nir_percentiles": ["a", "b"]}},
            r"data.nir_percentiles = \['a', 'b'\]: must be 2 numbers",
        ),
        ({"data": {"nir_percentiles": 5.0}}, "data.nir_percentiles = 5.0: must be of type tuple"),
        # Out of range.
        ({"model": {"width": 12}}, "model.width = 12: must be a positive multiple of 8"),
        ({"model": {"d_state": 0}}, "model.d_state = 0: must be positive"),
        ({"model": {"hsv_width": -1}}, "model.hsv_width = -1: must be positive"),
        (
            {"train": {"precision": "int8"}},
            "train.precision = 'int8': must be auto or float32",
        ),
        (
            {"train": {"microbatches": 3}},
            "train.microbatches = 3: must be a divisor of train.batch",
        ),
        ({"train": {"ema": 1.0}}, r"train\.ema = 1\.0: must be in \[0, 1\)"),
        ({"train": {"fsdp": 0}}, "train.fsdp = 0: must be positive"),
        ({"optim": {"clip": -1.0}}, "optim.clip = -1.0: must be 0 or more"),
        ({"data": {"crop": 128}}, "data.crop = 128: must be a positive multiple of 256"),
        ({"data": {"precrop": 200}}, "data.precrop = 200: must be 0 or at least data.crop = 256"),
        ({"data": {"clamp": 255}}, "data.clamp = 255: must be at least data.crop = 256"),
        ({"data": {"nir_percentiles": [9, 1]}}, r"data.nir_percentiles = \(9.0, 1.0\): must be "),
        ({"data": {"rgb_transfer": "gamma"}}, "data.rgb_transfer = 'gamma': must be srgb or linea"),
        ({"data": {"preparation": "own"}}, "data.preparation = 'own': must be haqagen or colorma"),
        (
            {"data": {"preparation": "colormamba"}},
            "data.preparation = 'colormamba': must be haqagen where data.equalize is true",
        ),
        (
            {"model": {"architecture": "colormamba", "hsv_spade": False}},
            "model.hsv_spade = False: must be true for model.architecture = colormamba",
        ),
        ({"data": {"flip": 1.5}}, r"data.flip = 1.5: must be a probability in \[0, 1\]"),
        ({"data": {"saturation": 1.0}}, r"data.saturation = 1.0: must be in \[0, 1\)"),
        ({"data": {"workers": -1}}, "data.workers = -1: must be 0 or more"),
        ({"loss": {"beta": -1.0}}, "loss.beta = -1.0: must be 0 or more"),
        ({"loss": {"beta": float("nan")}}, "loss.beta = nan: must be a finite number"),
        ({"optim": {"learning_rate": float("inf")}}, "optim.learning_rate = inf: must be a finite"),
        ({"loss": {"delta": 1e39}}, r"loss.delta = 1e\+39: must be a finite number in float32"),
        (
            {"data": {"nir_percentiles": [0, float("nan")]}},
            "data.nir_percentiles = nan: must be a fi",
        ),
        ({"loss": {"hsv": -0.1}}, "loss.hsv = -0.1: must be 0 or more"),
        ({"loss": {"ssim_scales": 3}}, "loss.ssim_scales = 3: must be 1 or 5"),
        ({"loss": {"adversary": "lsgan"}}, "loss.adversary = 'lsgan': must be hinge or least_squa"),
        ({"loss": {"bins": 1}}, "loss.bins = 1: must be 2 or more"),
        ({"loss": {"tau": 0.0}}, "loss.tau = 0.0: must be positive"),
        ({"loss": {"vgg_network": "vgg"}}, "loss.vgg_network = 'vgg': must be vgg19 or vgg16"),
        ({"loss": {"kernel": "box"}}, "loss.kernel = 'box': must be triangular or logistic"),
        ({"loss": {"hue": "polar"}}, "loss.hue = 'polar': must be linear or circular"),
        ({"optim": {"learning_rate": 0.0}}, "optim.learning_rate = 0.0: must be positive"),
        (
            {"optim": {"learning_rate": 1e-7}},
            r"optim.final_learning_rate = 1e-06: must be in \[0, optim.learning_rate = 1e-07\]",
        ),
        ({"optim": {"b1": 1.0}}, r"optim.b1 = 1.0: must be in \[0, 1\)"),
        ({"optim": {"weight_decay": -1.0}}, "optim.weight_decay = -1.0: must be 0 or more"),
        ({"train": {"batch_size": 0}}, "train.batch_size = 0: must be positive"),
        ({"train": {"seed": -1}}, "train.seed = -1: must be 0 or more"),
        ({"train": {"epochs": 0}}, "train.steps = 0: must be positive when train.epochs is 0"),
        ({"texture": {"steps": 0}}, "texture.steps = 0: must be positive"),
    ],
)
def test_a_mistake_is_named(values, message):
    with pytest.raises(InputError, match=f"^{message}") as caught:
        Config.from_dict(values)
    assert "\n" not in str(caught.value)
