"""The objectives of training, Eq. (3) and (4): their terms and the weights of the terms.

The weights are used in this module only. Images are `b h w 3` in [0, 1], float32 inside. Terms are
returned unweighted, one value per image, under the names the training curves use; the scalar is
the weighted sum of their means over the batch. A term of weight zero is neither computed nor
returned, and the network it would need may be None.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from haqagen_jax.config.schema import LossConfig
from haqagen_jax.losses.adversarial import (
    hinge_critic,
    hinge_generator,
    least_squares_critic,
    least_squares_generator,
)
from haqagen_jax.losses.feature import texture_cosine, texture_l2, vgg_l2
from haqagen_jax.losses.histogram import cdf_l1
from haqagen_jax.losses.pixel import hsv_mse, mse
from haqagen_jax.metrics import ms_ssim, ssim_gaussian
from haqagen_jax.types import Hsv, Rgb

Features = Callable[[Float[Array, "b h w 3"]], Float[Array, "b i j f"]]
Terms = dict[str, Float[Array, " b"]]


def reconstruction(
    prediction: Float[Array, "b h w 3"],
    target: Float[Array, "b h w 3"],
    *,
    texture: Features | None,
    vgg: Features | None,
    loss: LossConfig,
) -> Terms:
    """Compute the terms of L_rec for one color space.

    Args:
        prediction: RGB or HSV in [0, 1].
        target: The same shape and color space.
        texture: Function from images to features of the frozen texture encoder; None requires
            alpha = 0 and gamma = 0.
        vgg: Function from images to VGG's relu4_2 features; None requires delta = 0.
        loss: Weights and histogram parameters.

    Returns:
        "texture_l2", "texture_cosine", "cdf", "vgg" and "ssim" (1 - similarity), each (b,) and
        unweighted, without those whose weight is zero.

    Raises:
        ValueError: A network is None although its weight is not zero, or the images are too small
            for SSIM.

    Reference: HAQAGen Eq. (3); Table 4 and its text for SSIM.

    Examples:
        >>> loss = LossConfig(alpha=0.0, gamma=0.0, delta=0.0)  # no networks needed
        >>> image = jnp.full((2, 8, 8, 3), 0.5)
        >>> terms = reconstruction(image, image, texture=None, vgg=None, loss=loss)
        >>> {name: value.tolist() for name, value in terms.items()}
        {'cdf': [0.0, 0.0]}
    """
    terms: Terms = {}
    if loss.alpha or loss.gamma:
        if texture is None:
            raise ValueError(
                f"texture is None but loss.alpha = {loss.alpha} and loss.gamma = {loss.gamma} need "
                "its features; run `haqagen pretrain-texture` or set both to 0"
            )
        ours, theirs = texture(prediction), texture(target)
        if loss.alpha:
            terms["texture_l2"] = texture_l2(ours, theirs)
        if loss.gamma:
            terms["texture_cosine"] = texture_cosine(ours, theirs)
    if loss.beta:
        terms["cdf"] = cdf_l1(prediction, target, bins=loss.bins, kernel=loss.kernel, tau=loss.tau)
    if loss.delta:
        if vgg is None:
            raise ValueError(
                f"vgg is None but loss.delta = {loss.delta} needs the features of "
                f"{loss.vgg_network}; give its weights or set loss.delta to 0"
            )
        terms["vgg"] = vgg_l2(vgg(prediction), vgg(target))
    if loss.ssim:
        similarity = ms_ssim if loss.ssim_scales > 1 else ssim_gaussian
        terms["ssim"] = 1 - similarity(prediction, target)
    return terms


def generator_objective(
    rgb_pred: Rgb,
    hsv_pred: Hsv,
    rgb: Rgb,
    hsv: Hsv,
    rgb_logits: Float[Array, "b i j 1"],
    hsv_logits: Float[Array, "b i j 1"],
    *,
    network_rgb: Rgb | None = None,
    texture: Features | None,
    vgg: Features | None,
    loss: LossConfig,
) -> tuple[Float[Array, ""], Terms]:
    """Compute L_G, the objective that the generator minimizes.

    Args:
        rgb_pred: The RGB branch's output in [0, 1].
        hsv_pred: The HSV branch's output in [0, 1].
        rgb: The target of `rgb_pred`.
        hsv: The target of `hsv_pred`.
        rgb_logits: The RGB critic's logits of `rgb_pred`.
        hsv_logits: The HSV critic's logits of `hsv_pred`.
        network_rgb: The RGB branch's output before the guided layer; None where that is `rgb_pred`.
        texture: Function from images to texture features, or None; see `reconstruction`.
        vgg: Function from images to VGG features, or None; see `reconstruction`.
        loss: Weights and histogram parameters.

    Returns:
        The scalar, and the unweighted terms, each (b,): "adversarial_rgb", "mse_rgb", "cdf_rgb" and
        so on, and the same for "hsv".

    Raises:
        ValueError: Shapes differ, or a network is None although its weight is not zero.

    Reference: HAQAGen Eq. (4), L_G.

    Examples:
        >>> image, logits = jnp.full((1, 8, 8, 3), 0.5), jnp.zeros((1, 2, 2, 1))
        >>> total, terms = generator_objective(
        ...     image, image, 0.5 * image, image, logits, logits,
        ...     texture=None, vgg=None, loss=LossConfig(mse=16.0, feature=0.0),
        ... )
        >>> float(total), float(terms["mse_rgb"][0])
        (1.0, 0.0625)
    """
    terms: Terms = {}
    if needs_critics(loss):
        adversarial = least_squares_generator if _least_squares(loss) else hinge_generator
        terms["adversarial_rgb"] = adversarial(rgb_logits)
        terms["adversarial_hsv"] = adversarial(hsv_logits)
    if loss.mse:
        terms["mse_rgb"] = mse(rgb_pred, rgb)
        if loss.hsv:
            terms["mse_hsv"] = hsv_mse(hsv_pred, hsv, hue=loss.hue)
    if loss.network_mse:
        terms["network_mse_rgb"] = mse(rgb_pred if network_rgb is None else network_rgb, rgb)
    if loss.feature:
        spaces = [("rgb", rgb_pred, rgb), ("hsv", hsv_pred, hsv)]
        for space, prediction, target in spaces if loss.hsv else spaces[:1]:
            parts = reconstruction(prediction, target, texture=texture, vgg=vgg, loss=loss)
            terms |= {f"{name}_{space}": value for name, value in parts.items()}
    return _weighted(terms, loss), terms


def critic_objective(
    rgb_real: Float[Array, "b i j 1"],
    rgb_fake: Float[Array, "b i j 1"],
    hsv_real: Float[Array, "b i j 1"],
    hsv_fake: Float[Array, "b i j 1"],
    *,
    loss: LossConfig,
) -> tuple[Float[Array, ""], Terms]:
    """Compute L_D, the objective that the two critics minimize together.

    Args:
        rgb_real: Logits of the RGB targets.
        rgb_fake: Logits of the RGB predictions, the same shape.
        hsv_real: Logits of the HSV targets.
        hsv_fake: Logits of the HSV predictions, the same shape.
        loss: Chooses the adversarial loss.

    Returns:
        The scalar, and its terms "critic_rgb" and "critic_hsv", each (b,).

    Raises:
        ValueError: Shapes differ.

    Reference: HAQAGen Eq. (2) and Eq. (4), L_D.

    Examples:
        >>> real, fake = jnp.ones((1, 2, 2, 1)), -jnp.ones((1, 2, 2, 1))
        >>> total, terms = critic_objective(real, fake, real, 0 * fake, loss=LossConfig())
        >>> float(total), sorted(terms)
        (1.0, ['critic_hsv', 'critic_rgb'])
    """
    critic = least_squares_critic if _least_squares(loss) else hinge_critic
    terms = {"critic_rgb": critic(rgb_real, rgb_fake), "critic_hsv": critic(hsv_real, hsv_fake)}
    return terms["critic_rgb"].mean() + terms["critic_hsv"].mean(), terms


def critic_threshold(loss: LossConfig) -> float:
    """Return the logit above which a critic takes an image for real.

    Args:
        loss: Chooses the adversarial loss.

    Returns:
        0 for hinge; 0.5 for least squares, the middle between its goals 0 and 1.
    """
    return 0.5 if _least_squares(loss) else 0.0


def _least_squares(loss: LossConfig) -> bool:
    return loss.adversary == "least_squares"


def term_weights(loss: LossConfig) -> dict[str, float]:
    """Return the total weight of each term: its factors in Eq. (3) and (4), multiplied.

    Args:
        loss: The factors.

    Returns:
        The weight of each term's batch mean, under its name without the color space. HSV terms but
        the adversarial one count `loss.hsv` times as much.
    """
    return {
        "adversarial": loss.adversarial,
        "mse": loss.mse,
        "network_mse": loss.network_mse,
        "texture_l2": loss.feature * loss.alpha,
        "texture_cosine": loss.feature * loss.gamma,
        "cdf": loss.feature * loss.beta,
        "vgg": loss.feature * loss.delta,
        "ssim": loss.feature * loss.ssim,
    }


def needs_texture(loss: LossConfig) -> bool:
    """Tell whether a loss compares features of the texture autoencoder.

    Args:
        loss: Weights of the loss.

    Returns:
        Whether a term with texture features has a weight other than zero.
    """
    return bool(loss.feature and (loss.alpha or loss.gamma))


def needs_vgg(loss: LossConfig) -> bool:
    """Tell whether a loss compares features of a VGG network.

    Args:
        loss: Weights of the loss.

    Returns:
        Whether the term with VGG features has a weight other than zero.
    """
    return bool(loss.feature and loss.delta)


def needs_critics(loss: LossConfig) -> bool:
    """Tell whether a loss has an adversarial term.

    Args:
        loss: Weights of the loss.

    Returns:
        Whether the weight of that term is other than zero.
    """
    return bool(loss.adversarial)


def _weighted(terms: Terms, loss: LossConfig) -> Float[Array, ""]:
    """Sum the batch means of the terms, each with its weight."""
    weights, total = term_weights(loss), jnp.zeros(())
    for name, value in terms.items():
        term, _, space = name.rpartition("_")
        share = loss.hsv if space == "hsv" and term != "adversarial" else 1.0
        total += share * weights[term] * value.mean()
    return total
