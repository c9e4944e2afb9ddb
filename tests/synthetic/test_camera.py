import numpy as np
import pytest

from haqagen_jax.synthetic.camera import Canvas, Light, View
from haqagen_jax.synthetic.materials import Material

VIEW = View(height=100, width=200, horizon=0.4, eye=2.0)


@pytest.fixture
def light() -> Light:
    return Light(
        sun_direction=np.array([0.6, 0.8, 0.0], np.float32),
        sun=np.array([1.2, 1.1, 1.0, 1.3], np.float32),
        sky=np.array([0.1, 0.2, 0.3, 0.05], np.float32),
        haze=np.array([0.5, 0.6, 0.8, 0.2], np.float32),
        extinction=np.array([1e-4, 2e-4, 4e-4, 5e-5], np.float32),
    )


def test_ground_points_project_below_the_horizon() -> None:
    points = np.array([[0.0, 0.0, 10.0], [5.0, 2.0, 10.0], [-1.0, 4.0, 2.0]])
    # By hand: y = horizon + (eye - Y) / Z, x = X / Z.
    expected = [[0.0, 0.6], [0.5, 0.4], [-0.5, -0.6]]
    np.testing.assert_allclose(VIEW.project(points), expected)


def test_windows_give_the_middle_of_each_pixel() -> None:
    whole = VIEW.whole()
    assert whole.x.shape == (1, 200)
    assert whole.y.shape == (100, 1)
    np.testing.assert_allclose(whole.x[0, [0, -1]], [-0.995, 0.995], atol=1e-6)
    np.testing.assert_allclose(whole.y[[0, -1], 0], [0.005, 0.995], atol=1e-6)


def test_a_window_covers_its_rectangle_and_is_cut_at_the_border() -> None:
    window = VIEW.window(-0.05, 0.05, 0.95, 7.0)
    assert window is not None
    assert (window.rows, window.columns) == (slice(95, 100), slice(95, 105))
    assert VIEW.window(1.5, 2.0, 0.0, 1.0) is None
    assert VIEW.window(0.0, 1.0, -3.0, -2.0) is None


def test_a_panorama_shows_no_more_than_three_heights() -> None:
    assert View(10, 4000, 0.4, 2.0).half_width == pytest.approx(1.5)
    assert View(4000, 10, 0.4, 2.0).half_width == pytest.approx(10 / 8000)


def test_shading_follows_lambert_and_koschmieder(light: Light) -> None:
    albedo = np.full((1, 1, 4), 0.5, np.float32)
    seen = light.shade(albedo, 0.7, openness=0.5, distance=3000.0)
    clear = np.exp(-3000.0 * light.extinction.astype(np.float64))
    surface = 0.5 * (0.7 * light.sun.astype(np.float64) + 0.5 * light.sky)
    np.testing.assert_allclose(seen[0, 0], surface * clear + light.haze * (1 - clear), rtol=1e-5)
    assert albedo[0, 0, 0] == 0.5


def test_only_faces_toward_the_sun_are_lit(light: Light) -> None:
    assert light.toward(np.array([0.0, 1.0, 0.0])) == pytest.approx(0.8)
    assert light.toward(np.array([-1.0, 0.0, 0.0])) == 0


def test_paint_covers_by_alpha_and_labels_what_is_mostly_covered(light: Light) -> None:
    canvas = Canvas(View(1, 3, 0.4, 2.0), light)
    alpha = np.array([[0.0, 0.4, 1.0]], np.float32)
    canvas.paint(canvas.view.whole(), np.ones((1, 3, 4), np.float32), alpha, Material.BRICK)
    np.testing.assert_allclose(canvas.radiance[0, :, 3], alpha[0])
    assert canvas.label.tolist() == [[0, 0, Material.BRICK]]
