"""Edges; the branch as a whole is tested with the generator."""

import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.models.rgb_branch import edges


def _loop(image: np.ndarray) -> np.ndarray:
    """The 4-neighbor Laplacian; the neighbor beyond a border is the one inside it."""
    h, w = image.shape

    def neighbor(i: int, n: int) -> int:
        return 1 if i < 0 else n - 2 if i == n else i

    laplacian = np.array(
        [
            [
                image[neighbor(i - 1, h), j]
                + image[neighbor(i + 1, h), j]
                + image[i, neighbor(j - 1, w)]
                + image[i, neighbor(j + 1, w)]
                - 4 * image[i, j]
                for j in range(w)
            ]
            for i in range(h)
        ]
    )
    return (laplacian - laplacian.min()) / (laplacian.max() - laplacian.min())


@pytest.mark.parametrize("size", [(7, 5), (2, 9), (16, 16)])
def test_edges_are_the_scaled_laplacian_of_each_picture(size):
    # Pictures of other contrast: each is scaled by its own extremes.
    nir = np.random.default_rng(0).random((2, *size)) * np.array([1, 0.1])[:, None, None]
    result = edges(jnp.asarray(nir[..., None], jnp.float32))
    expected = np.stack([_loop(image) for image in nir])
    np.testing.assert_allclose(result[..., 0], expected, rtol=0, atol=5e-6)


def test_a_flat_picture_has_no_edges():
    np.testing.assert_array_equal(edges(jnp.full((1, 4, 6, 1), 0.7)), 0)
