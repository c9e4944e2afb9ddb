"""A network that returns its input gives every file back: any size, every kind of pixel."""

import tempfile
from pathlib import Path
from typing import NamedTuple

import imagecodecs
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from haqagen_jax.batch.report import Outcome
from haqagen_jax.batch.run import color
from haqagen_jax.config.schema import Config, DataConfig
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.inference.settings import Settings

PLAIN = Config(data=DataConfig(equalize=False, clamp=256))
KINDS = [("png", "uint8"), ("png", "uint16"), ("tif", "uint8"), ("tif", "uint16"), ("tif", "f4")]
SIZES = st.integers(2, 90)


class Output(NamedTuple):
    rgb: jax.Array


class Identity:
    """Its input as grey."""

    def apply(self, variables, nir):
        return Output(jnp.repeat(nir, 3, -1))


@pytest.fixture(scope="module", params=[(16, 13), (24, 24)], ids=["overlapping", "side by side"])
def model(request):
    tile, stride = request.param
    plain = Settings(tile=tile, stride=stride, batch=8, mode="sliding", stretch=(0.0, 100.0))
    return Colorizer(Identity(), {}, PLAIN, settings=plain)


def picture(height, width, dtype, seed):
    """Random, from 0 to the type's maximum, so that preparation changes nothing."""
    top = 1 if dtype == "f4" else np.iinfo(dtype).max
    rng = np.random.default_rng(seed)
    nir = (rng.random((height, width)) * top).astype(dtype)
    nir.flat[rng.choice(nir.size, 2, replace=False)] = 0, top
    return nir


@settings(deadline=None, max_examples=100)
@given(height=SIZES, width=SIZES, seed=st.integers(0, 1000))
def test_every_kind_of_file_comes_back(model, height, width, seed):
    with tempfile.TemporaryDirectory() as folder:
        written, files = [], []
        for extension, dtype in KINDS:
            nir, path = picture(height, width, dtype, seed), Path(folder, f"{dtype}.{extension}")
            if extension == "png":
                Image.fromarray(nir).save(path)
            else:
                tifffile.imwrite(path, nir)
            written.append(nir)
            files.append(Outcome(str(path), str(path.with_stem(f"{dtype}_rgb"))))
        color(model, files, progress=False)
        for nir, file in zip(written, files, strict=True):
            assert file.status == "coloured", file.message
            rgb = imagecodecs.imread(Path(file.output or ""))
            assert rgb.dtype == nir.dtype
            allowed = 1e-6 if nir.dtype.kind == "f" else 0
            np.testing.assert_allclose(rgb, np.repeat(nir[..., None], 3, -1), rtol=0, atol=allowed)
