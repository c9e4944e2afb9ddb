import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from haqagen_jax import losses
from haqagen_jax.config.load import load_config
from haqagen_jax.config.schema import LossConfig
from haqagen_jax.metrics import ms_ssim

RNG = np.random.default_rng(0)
RGB_PRED, HSV_PRED, RGB, HSV = RNG.random((4, 2, 8, 8, 3), np.float32)
RGB_LOGITS, HSV_LOGITS = RNG.standard_normal((2, 2, 3, 3, 1)).astype(np.float32)
SPACES = {"rgb": (RGB_PRED, RGB), "hsv": (HSV_PRED, HSV)}


def _texture(image):
    return jnp.concatenate([image[:, ::2, ::2], image[:, 1::2, 1::2] ** 2], -1)


def _vgg(image):
    return image[:, ::4, ::4] * 3


def _objective(loss, texture=_texture, vgg=_vgg):
    images = map(jnp.asarray, (RGB_PRED, HSV_PRED, RGB, HSV, RGB_LOGITS, HSV_LOGITS))
    return losses.generator_objective(*images, texture=texture, vgg=vgg, loss=loss)


def test_generator_objective_is_equation_four():
    value, _ = _objective(LossConfig())
    expected = -RGB_LOGITS.mean() - HSV_LOGITS.mean()
    for prediction, target in SPACES.values():
        f = _texture(prediction), _texture(target)
        rec = (
            1.0 * losses.texture_l2(*f)
            + 1.5 * losses.cdf_l1(prediction, target, bins=64, kernel="triangular", tau=0.02)
            + 1.0 * losses.texture_cosine(*f)
            + 0.2 * losses.vgg_l2(_vgg(prediction), _vgg(target))
        )
        expected += 15 * ((prediction - target) ** 2).mean() + 15 * rec.mean()
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_ssim_is_a_term_of_its_own():
    images = [jnp.asarray(RNG.random((2, 16, 16, 3)), jnp.float32) for _ in range(2)]
    loss = LossConfig(alpha=0.0, beta=0.0, gamma=0.0, delta=0.0, ssim=2.0)
    terms = losses.reconstruction(*images, texture=None, vgg=None, loss=loss)
    expected = [
        structural_similarity(
            *pair,
            data_range=1,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )[1][5:-5, 5:-5].mean()
        for pair in zip(*map(np.asarray, images), strict=True)
    ]
    np.testing.assert_allclose(terms["ssim"], 1 - np.array(expected), rtol=1e-4)
    logits = jnp.zeros((2, 3, 3, 1))
    total, _ = losses.generator_objective(
        images[0],
        images[0],
        images[1],
        images[1],
        logits,
        logits,
        texture=None,
        vgg=None,
        loss=dataclasses.replace(loss, mse=0.0),
    )
    np.testing.assert_allclose(total, 2 * 15 * 2 * (1 - np.mean(expected)), rtol=1e-4)
    same = losses.reconstruction(images[0], images[0], texture=None, vgg=None, loss=loss)
    np.testing.assert_allclose(same["ssim"], 0, atol=1e-5)


def test_terms_are_unweighted_and_per_image():
    _, terms = _objective(LossConfig())
    names = ("adversarial", "mse", "texture_l2", "texture_cosine", "cdf", "vgg")
    assert set(terms) == {f"{name}_{space}" for name in names for space in SPACES}
    assert all(value.shape == (2,) for value in terms.values())
    for space, (prediction, target) in SPACES.items():
        f = _texture(prediction), _texture(target)
        np.testing.assert_allclose(terms[f"mse_{space}"], losses.mse(prediction, target), rtol=1e-6)
        np.testing.assert_allclose(terms[f"texture_l2_{space}"], losses.texture_l2(*f), rtol=1e-6)


@pytest.mark.parametrize(
    "weight", ["alpha", "beta", "gamma", "delta", "mse", "feature", "adversarial"]
)
def test_each_weight_scales_its_own_terms(weight):
    owner = {"alpha": "texture_l2", "beta": "cdf", "gamma": "texture_cosine", "delta": "vgg"}
    base = LossConfig()
    first, terms = _objective(base)
    doubled, _ = _objective(dataclasses.replace(base, **{weight: 2 * getattr(base, weight)}))
    if weight == "feature":
        factors = {name: 15.0 * getattr(base, w) for w, name in owner.items()}
    elif weight in owner:
        factors = {owner[weight]: 15.0 * getattr(base, weight)}
    else:
        factors = {weight: getattr(base, weight)}
    added = sum(
        factor * terms[f"{name}_{space}"].mean()
        for name, factor in factors.items()
        for space in SPACES
    )
    np.testing.assert_allclose(doubled - first, added, rtol=1e-3)


def test_the_weight_of_hsv_scales_all_its_terms_but_the_adversarial():
    whole, terms = _objective(LossConfig())
    less, same = _objective(LossConfig(hsv=0.25))
    weights = {"mse": 15.0, "texture_l2": 15.0, "cdf": 22.5, "texture_cosine": 15.0, "vgg": 3.0}
    taken = sum(0.75 * weight * terms[f"{name}_hsv"].mean() for name, weight in weights.items())
    np.testing.assert_allclose(whole - less, taken, rtol=1e-4)
    assert same.keys() == terms.keys()
    for name, value in terms.items():
        np.testing.assert_array_equal(same[name], value)
    _, none = _objective(LossConfig(hsv=0.0))
    assert none.keys() == {name for name in terms if not name.endswith("hsv")} | {"adversarial_hsv"}


def test_the_objective_of_colormamba():
    """Its published code: L_adv + 100 (20 MSE + 20 L_rec + L_rec of HSV + MSE of HSV)."""
    images = jnp.asarray(RNG.random((4, 1, 176, 176, 3), np.float32))
    logits = jnp.asarray(RGB_LOGITS[:1]), jnp.asarray(HSV_LOGITS[:1])
    loss = load_config("configs/colormamba.py").loss

    @jax.jit
    def objective(*images):
        return losses.generator_objective(
            *images,
            rgb_logits=logits[0],
            hsv_logits=logits[1],
            texture=_texture,
            vgg=None,
            loss=loss,
        )

    total, terms = objective(*images)
    expected, similarity = sum(((x - 1) ** 2).mean() for x in logits), jax.jit(ms_ssim)
    for weight, p, t in ((2000, images[0], images[2]), (100, images[1], images[3])):
        f = _texture(p), _texture(t)
        rec = losses.texture_l2(*f) + losses.texture_cosine(*f) + 1 - similarity(p, t)
        expected += weight * (rec.mean() + ((p - t) ** 2).mean())
    np.testing.assert_allclose(total, expected, rtol=1e-4)
    names = ("adversarial", "mse", "texture_l2", "texture_cosine", "ssim")
    assert terms.keys() == {f"{name}_{space}" for name in names for space in SPACES}


def test_weightless_terms_are_absent_and_need_no_network():
    value, terms = _objective(LossConfig(alpha=0.0, gamma=0.0, delta=0.0), texture=None, vgg=None)
    names = ("adversarial", "mse", "cdf")
    assert set(terms) == {f"{name}_{space}" for name in names for space in SPACES}
    assert np.isfinite(value)


def test_a_network_of_weight_zero_is_not_called():
    def refuse(image):
        raise AssertionError("called")

    _objective(LossConfig(delta=0.0), vgg=refuse)
    _objective(LossConfig(feature=0.0), texture=refuse, vgg=refuse)


@pytest.mark.parametrize(
    ("network", "message"),
    [("vgg", "loss.delta = 0.2 needs .* set loss.delta to 0"), ("texture", "pretrain-texture")],
)
def test_missing_network_is_named_with_its_remedy(network, message):
    with pytest.raises(ValueError, match=message):
        _objective(LossConfig(), **{network: None})


def test_hue_option_reaches_the_hsv_term():
    _, linear = _objective(LossConfig())
    _, circular = _objective(LossConfig(hue="circular"))
    expected = losses.hsv_mse(HSV_PRED, HSV, hue="circular")
    np.testing.assert_allclose(circular["mse_hsv"], expected, rtol=1e-6)
    assert (circular["mse_hsv"] < linear["mse_hsv"]).all()
    np.testing.assert_array_equal(circular["mse_rgb"], linear["mse_rgb"])


def test_histogram_options_reach_the_cdf_term():
    _, terms = _objective(LossConfig(bins=16, tau=0.1, kernel="logistic"))
    expected = losses.cdf_l1(RGB_PRED, RGB, bins=16, kernel="logistic", tau=0.1)
    np.testing.assert_allclose(terms["cdf_rgb"], expected, rtol=1e-6)


def test_perfect_prediction_leaves_the_adversarial_part():
    zeros = jnp.zeros((2, 3, 3, 1))
    target = jnp.asarray(RGB)

    def objective(prediction):
        return losses.generator_objective(
            prediction, prediction, target, target, zeros, zeros,
            texture=_texture, vgg=_vgg, loss=LossConfig(),
        )[0]  # fmt: skip

    value, gradient = jax.value_and_grad(objective)(target)
    assert float(value) == 0
    assert np.isfinite(gradient).all()


def test_critic_objective_is_the_sum_over_both_critics():
    arguments = [2 * RNG.standard_normal((2, 3, 3, 1)).astype(np.float32) for _ in range(4)]
    value, terms = losses.critic_objective(*map(jnp.asarray, arguments), loss=LossConfig())
    rgb, hsv = losses.hinge_critic(*arguments[:2]), losses.hinge_critic(*arguments[2:])
    np.testing.assert_allclose(value, rgb.mean() + hsv.mean(), rtol=1e-6)
    np.testing.assert_array_equal(terms["critic_rgb"], rgb)
    np.testing.assert_array_equal(terms["critic_hsv"], hsv)


def test_least_squares_take_the_place_of_the_hinge():
    loss = LossConfig(adversary="least_squares", mse=0.0, feature=0.0)
    value, terms = _objective(loss)
    expected = [((logits - 1) ** 2).mean((1, 2, 3)) for logits in (RGB_LOGITS, HSV_LOGITS)]
    np.testing.assert_allclose(terms["adversarial_rgb"], expected[0], rtol=1e-5)
    np.testing.assert_allclose(terms["adversarial_hsv"], expected[1], rtol=1e-5)
    np.testing.assert_allclose(value, np.sum(expected) / 2, rtol=1e-5)
    real, fake = jnp.asarray(RGB_LOGITS), jnp.asarray(HSV_LOGITS)
    total, terms = losses.critic_objective(real, fake, fake, real, loss=loss)
    rgb, hsv = ((r - 1) ** 2 + f**2 for r, f in ((real, fake), (fake, real)))
    np.testing.assert_allclose(terms["critic_rgb"], rgb.mean((1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(terms["critic_hsv"], hsv.mean((1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(total, rgb.mean() + hsv.mean(), rtol=1e-5)
