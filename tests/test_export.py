"""The output of an exported file in a program that has jax alone."""

import subprocess
import sys

import jax
import numpy as np
import pytest

import haqagen_jax
from haqagen_jax import artifact
from haqagen_jax.config.schema import Config, DataConfig, ModelConfig
from haqagen_jax.errors import InputError
from haqagen_jax.export import export_model
from haqagen_jax.models.factory import init_generator

# As the README has it.
LOADER = """
import sys
import numpy as np
from jax import export

with open(sys.argv[1], "rb") as file:
    model = export.deserialize(bytearray(file.read()))
assert "haqagen_jax" not in sys.modules
nir = np.load(sys.argv[2])
np.save(sys.argv[3], np.asarray(model.call(nir)))
"""


@pytest.fixture(scope="module", params=["srgb", pytest.param("linear", marks=pytest.mark.slow)])
def directory(request, tmp_path_factory):
    model = ModelConfig(width=8, d_state=2, spade_hidden=4, hsv_width=4, critic_width=4)
    folder = tmp_path_factory.mktemp("model") / "m"
    config = Config(model=model, data=DataConfig(rgb_transfer=request.param))
    artifact.save(folder, config, jax.jit(lambda k: init_generator(k, model))(jax.random.key(0)))
    return folder


def test_the_same_colors_without_the_package(directory, tmp_path, capsys):
    out = tmp_path / "made" / "m.stablehlo"
    assert export_model(str(directory), str(out)) == 0
    assert capsys.readouterr().out.startswith(f"{out}: m, ")
    model = haqagen_jax.load(directory, mode="sliding")  # colors, not coefficients
    rng = np.random.default_rng(0)
    for batch in (1, 3):
        nir = rng.random((batch, 256, 256, 1), dtype=np.float32)
        np.save(tmp_path / "nir.npy", nir)
        words = [sys.executable, "-c", LOADER, out, tmp_path / "nir.npy", tmp_path / "rgb.npy"]
        subprocess.run(list(map(str, words)), check=True, cwd=tmp_path)
        n = model._predictor.batch
        full = np.concatenate([nir, np.zeros((n - batch, 256, 256, 1), np.float32)])
        want = np.asarray(model._predictor(full))[:batch]
        np.testing.assert_allclose(np.load(tmp_path / "rgb.npy"), want, atol=1e-5)


def test_refused(tmp_path):
    (tmp_path / "m").touch()
    with pytest.raises(InputError, match=r"m: exists; add --overwrite"):
        export_model("grey", str(tmp_path / "m"))
    with pytest.raises(InputError, match="is a folder; name a file"):
        export_model("grey", str(tmp_path), overwrite=True)
    with pytest.raises(InputError, match="nothing: no such model"):
        export_model("nothing", str(tmp_path / "n"))
    assert export_model("grey", str(tmp_path / "m"), overwrite=True) == 0
    assert (tmp_path / "m").stat().st_size > 0
