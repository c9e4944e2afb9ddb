import numpy as np
import pytest

from haqagen_jax.synthetic.noise import Noise, smoothstep


@pytest.fixture
def noise() -> Noise:
    return Noise(np.random.default_rng(5))


def points(count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    x, y = (np.random.default_rng(1).random((2, count)) * 40 - 20).astype(np.float32)
    return x, y


def test_smooth_interpolates_the_cells(noise: Noise) -> None:
    x, y = points()
    for px, py, value in zip(x, y, noise.smooth(x, y), strict=True):
        column, row = np.floor(px), np.floor(py)

        def corner(right: int, down: int, column: float = column, row: float = row) -> float:
            at = np.array([column + right], np.float32), np.array([row + down], np.float32)
            return float(noise.cells(*at)[0])

        s, t = (3 * f**2 - 2 * f**3 for f in (float(px - column), float(py - row)))
        upper = corner(0, 0) * (1 - s) + corner(1, 0) * s
        lower = corner(0, 1) * (1 - s) + corner(1, 1) * s
        assert value == pytest.approx(upper * (1 - t) + lower * t, abs=1e-5)


def test_noise_repeats_after_256_cells_and_not_before(noise: Noise) -> None:
    x, y = points()
    np.testing.assert_allclose(noise.smooth(x + 256, y - 256), noise.smooth(x, y), atol=1e-3)
    assert np.abs(noise.smooth(x + 128, y) - noise.smooth(x, y)).mean() > 0.1


def test_fractal_is_centered_and_bounded(noise: Noise) -> None:
    x = np.arange(200, dtype=np.float32)[None] * 0.31
    value = noise.fractal(x, x.T, 5)
    assert value.shape == (200, 200)
    assert value.dtype == np.float32
    assert np.abs(value).max() <= 1
    assert abs(value.mean()) < 0.05
    assert value.std() > 0.1


def test_octaves_finer_than_a_pixel_fade_out(noise: Noise) -> None:
    x, y = points()
    assert not noise.fractal(x, y, 4, pixel=1.0).any()
    # At a third of the coarsest wavelength only that octave is left, with its own weight of 8/15.
    np.testing.assert_allclose(
        noise.fractal(x, y, 4, pixel=1 / 3), noise.smooth(x, y) * 8 / 15, atol=1e-6
    )


def test_smoothstep_rises_and_falls() -> None:
    x = np.array([-1, 0, 0.25, 0.5, 1, 2])
    np.testing.assert_allclose(smoothstep(0.0, 1.0, x), [0, 0, 0.15625, 0.5, 1, 1])
    np.testing.assert_allclose(smoothstep(1.0, 0.0, x), [1, 1, 0.84375, 0.5, 0, 0])
