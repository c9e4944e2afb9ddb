from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.ops.histogram import soft_cdf, soft_histogram

GOLDEN = Path(__file__).parents[1] / "golden" / "parts" / "losses_metrics.npz"
KERNELS = ["triangular", "logistic"]
# (bins, tau): the paper's; one bin wide, as in the published code; wide; coarse; many bins.
SETTINGS = [(64, 0.02), (64, 1 / 63), (16, 0.3), (2, 0.5), (256, 0.01)]


def _sigmoid(x):
    return 0.5 * (1 + np.tanh(x / 2))


def _loop(image, bins, kernel, tau):
    """The definition in float64, one bin after the other."""
    image = np.asarray(image, np.float64)
    half = 0.5 / (bins - 1)
    columns = []
    for center in np.linspace(0, 1, bins):
        if kernel == "triangular":
            weights = np.maximum(0, 1 - np.abs(image - center) / tau)
        else:
            upper = _sigmoid((center + half - image) / tau)
            weights = upper - _sigmoid((center - half - image) / tau)
        columns.append(weights.sum((1, 2)))
    histogram = np.stack(columns, -1)
    return histogram / histogram.sum(-1, keepdims=True)


def _image(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("bins", "tau"), SETTINGS)
def test_histogram_follows_the_definition(kernel, bins, tau):
    # 1,330 pixels are not a multiple of any chunk: the padding must not be counted.
    image = _image(2, 35, 38, 3) ** 2
    result = soft_histogram(jnp.asarray(image), bins=bins, kernel=kernel, tau=tau)
    assert result.shape == (2, 3, bins)
    assert result.dtype == jnp.float32
    np.testing.assert_allclose(result, _loop(image, bins, kernel, tau), rtol=2e-4, atol=1e-7)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("bins", "tau"), [(64, 0.02), (16, 0.3), (256, 0.01)])
def test_gradient_is_that_of_the_definition(kernel, bins, tau):
    image = _image(1, 35, 38, 1, seed=1)
    weights = np.random.default_rng(2).standard_normal(bins)

    def ours(values):
        histogram = soft_histogram(values, bins=bins, kernel=kernel, tau=tau)
        return (histogram * jnp.asarray(weights, jnp.float32)[None, None]).sum()

    gradient = np.asarray(jax.grad(ours)(jnp.asarray(image))).ravel()
    # The total changes by one pixel's part, so each pixel's central difference needs only that.
    step, pixels = 1e-7, image.astype(np.float64).ravel()
    mass = {sign: _parts(pixels + sign * step, bins, kernel, tau) for sign in (-1, 0, 1)}
    total = mass[0].sum(0)
    value = {sign: total + mass[sign] - mass[0] for sign in (-1, 1)}
    score = {sign: value[sign] @ weights / value[sign].sum(1) for sign in (-1, 1)}
    expected = (score[1] - score[-1]) / (2 * step)
    # The triangular kernel has kinks; a pixel within rounding of one may take either side.
    agrees = np.isclose(gradient, expected, rtol=1e-3, atol=2e-5)
    assert agrees.mean() > 0.995


def _parts(pixels, bins, kernel, tau):
    """Unnormalized kernel values in float64, pixels by bins."""
    half, gap = 0.5 / (bins - 1), pixels[:, None] - np.linspace(0, 1, bins)
    if kernel == "triangular":
        return np.maximum(0, 1 - np.abs(gap) / tau)
    return _sigmoid((half - gap) / tau) - _sigmoid((-half - gap) / tau)


@pytest.mark.parametrize("bins", [64, 256])
def test_histogram_of_the_published_code(bins, golden):
    # It adds 1e-6 to the bin spacing, which serves as tau there, and does not normalize.
    expected = golden[f"histogram_bins{bins}"]
    result = soft_histogram(
        jnp.asarray(golden["prediction"]), bins=bins, kernel="triangular", tau=1 / (bins - 1) + 1e-6
    )
    np.testing.assert_allclose(
        result, expected / expected.sum(-1, keepdims=True), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(expected.sum(-1), 1 + (bins - 1) * 1e-6, rtol=1e-6)


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("kernel", KERNELS)
def test_order_of_pixels_does_not_matter(kernel):
    image = _image(1, 40, 40, 2)
    shuffled = np.random.default_rng(3).permutation(image.reshape(1600, 2)).reshape(image.shape)
    first, second = (
        soft_histogram(jnp.asarray(x), bins=64, kernel=kernel, tau=0.02) for x in (image, shuffled)
    )
    np.testing.assert_allclose(first, second, atol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("bins", "tau"), SETTINGS)
def test_cdf_rises_to_one(kernel, bins, tau):
    cdf = soft_cdf(jnp.asarray(_image(2, 20, 30, 3)), bins=bins, kernel=kernel, tau=tau)
    np.testing.assert_allclose(cdf[..., -1], 1, atol=1e-5)
    assert (np.diff(cdf) >= -1e-7).all()


def test_logistic_tends_to_a_hard_histogram():
    image = _image(1, 50, 50, 1)
    edges = (np.arange(17) - 0.5) / 15
    hard = np.histogram(image, edges)[0] / image.size
    gaps = []
    for tau in (1e-2, 1e-3, 1e-5):
        soft = soft_histogram(jnp.asarray(image), bins=16, kernel="logistic", tau=tau)
        gaps.append(np.abs(soft[0, 0] - hard).max())
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 5e-4


def test_triangular_tends_to_a_hard_histogram_of_values_on_the_centers():
    levels = np.random.default_rng(4).integers(0, 16, (1, 50, 50, 1))
    hard = np.bincount(levels.ravel(), minlength=16) / levels.size
    image = jnp.asarray(levels / 15, jnp.float32)
    soft = soft_histogram(image, bins=16, kernel="triangular", tau=1e-2)
    np.testing.assert_allclose(soft[0, 0], hard, atol=1e-5)


def test_pixels_outside_the_kernel_leave_an_empty_histogram_without_nan():
    image = jnp.full((1, 4, 4, 1), 0.5)

    def total(values):
        return soft_histogram(values, bins=2, kernel="triangular", tau=0.1).sum()

    value, gradient = jax.value_and_grad(total)(image)
    assert float(value) == 0
    np.testing.assert_array_equal(gradient, np.zeros(image.shape))


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradient_is_finite_over_magnitudes(kernel):
    magnitudes = np.array([0.0, 1e-10, 1e-3, 0.5, 1.0, 1e3, 1e10])
    image = np.multiply.outer(magnitudes, [0.0, 1.0, 1.0, -1.0]).reshape(-1, 2, 2, 1)

    def first_moment(values):
        histogram = soft_histogram(values, bins=8, kernel=kernel, tau=0.02)
        return (histogram * jnp.arange(8.0)[None, None]).sum()

    assert np.isfinite(jax.grad(first_moment)(jnp.asarray(image, jnp.float32))).all()


def _temporaries(side, bins, kernel, differentiate):
    def total(values):
        return jnp.square(soft_cdf(values, bins=bins, kernel=kernel, tau=0.02)).sum()

    image = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    compiled = jax.jit(jax.grad(total) if differentiate else total).lower(image).compile()
    memory = compiled.memory_analysis()
    assert memory is not None
    return memory.temp_size_in_bytes


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("differentiate", [False, True], ids=["forward", "backward"])
def test_memory_does_not_grow_with_pixels_times_bins(kernel, differentiate):
    small, large, few, many = 128, 512, 64, 512
    used = {
        (side, bins): _temporaries(side, bins, kernel, differentiate)
        for side in (small, large)
        for bins in (few, many)
    }
    image = 3 * 4 * large**2
    # Eight times the bins cost nothing.
    assert used[large, many] < 1.05 * used[large, few]
    assert used[small, many] < 1.05 * used[small, few]
    # The array of pixels times bins would be 512 images.
    assert max(used[large, many], used[large, few]) < image


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bins": 1}, "bins is 1"),
        ({"tau": 0.0}, "tau is 0.0"),
        ({"tau": float("nan")}, "tau is nan"),
        ({"kernel": "box"}, "kernel is 'box'; it must be 'triangular' or 'logistic'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    settings = {"bins": 8, "kernel": "triangular", "tau": 0.1} | arguments
    with pytest.raises(ValueError, match=message):
        soft_histogram(jnp.zeros((1, 2, 2, 1)), **settings)
