"""Checkpoints into model directories and back, and what a model directory then does."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import haqagen_jax
from haqagen_jax.cli import main
from haqagen_jax.config.schema import Config, ModelConfig
from haqagen_jax.errors import InputError
from haqagen_jax.interop.colormamba_files import export_checkpoint, import_checkpoint
from haqagen_jax.interop.torch_checkpoint import read_state_dict
from haqagen_jax.interop.torch_writer import write_state_dict
from haqagen_jax.models.colormamba import ColorMamba
from haqagen_jax.nir.network_input import prepare


@pytest.fixture(scope="module")
def file(checkpoint, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("published") / "best.pth"
    write_state_dict(path, checkpoint())
    return path


@pytest.fixture(scope="module")
def model(file, tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("imported") / "cm"
    assert import_checkpoint(file, directory) == 2_732_144
    return directory


def run(capsys, *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main.main(["weights", *map(str, words)])
    assert isinstance(stopped.value.code, int)
    return stopped.value.code, *capsys.readouterr()


def test_the_round_trip_is_exact(model, checkpoint, tmp_path):
    out = tmp_path / "new" / "netG.pt"
    assert export_checkpoint(model, out, overwrite=False) == len(checkpoint())
    back = read_state_dict(out)
    assert set(back) == set(checkpoint())
    for name, tensor in checkpoint().items():
        assert back[name].dtype == tensor.dtype, name
        assert back[name].shape == tensor.shape, name
        assert back[name].tobytes() == tensor.tobytes(), name


def test_what_a_model_says_of_itself(model, file):
    facts = json.loads((model / "config.json").read_text())["training"]
    assert facts["imported_from"] == "best.pth"
    assert len(facts["sha256"]) == 64
    loaded = haqagen_jax.load(model)
    assert isinstance(loaded.network, ColorMamba)
    assert loaded.config.model == ModelConfig(
        architecture="colormamba", width=8, d_state=16, spade_hidden=128, hsv_width=4
    )
    assert loaded.config.data.preparation == "colormamba"


@pytest.mark.slow
def test_an_image_is_colored_as_published(model):
    """One tile: 8-bit levels in; what the network makes of them in the published way out."""
    image = np.random.default_rng(0).integers(30, 201, (256, 256)).astype(np.uint8)
    loaded = haqagen_jax.load(model, mode="sliding")  # the network's own colors
    levels = image.astype(np.float64)
    nir = (levels - 30) / (200 - 30 + 1e-3)
    value = levels / (200 + 1e-3)
    nir_hsv = np.stack([np.zeros_like(value), np.zeros_like(value), value], -1)
    inputs = (x.astype(np.float32)[None] for x in (nir[..., None], nir_hsv))
    rgb, hsv = loaded.network.apply(loaded.variables, *inputs)
    assert hsv.shape == rgb.shape == (1, 256, 256, 3)
    colored = loaded.colorize(image, dtype=np.float32)
    np.testing.assert_allclose(colored, rgb[0], rtol=0, atol=2e-5)
    again = loaded.network.apply(loaded.variables, prepare(image, loaded.config.data)[None])
    np.testing.assert_allclose(again.rgb, rgb, rtol=0, atol=2e-5)


def test_the_commands(file, tmp_path, capsys):
    directory, out = tmp_path / "cm", tmp_path / "netG.pt"
    code, said, _ = run(capsys, "import", "colormamba", file, "-o", directory)
    assert code == 0
    assert said.startswith(f"{directory}: 2,732,144 parameters; color with: haqagen colorize")
    assert run(capsys, "export-torch", directory, "-o", out)[:2] == (0, f"{out}: 642 tensors\n")
    before = out.read_bytes()
    assert "add --overwrite" in run(capsys, "export-torch", directory, "-o", out)[2]
    assert run(capsys, "export-torch", directory, "-o", out, "--overwrite")[0] == 0
    assert out.read_bytes() == before


def test_a_wrapped_checkpoint_of_several_devices(checkpoint, tmp_path, model):
    """`torch.save({"state_dict": DataParallel(netG).state_dict(), ...})`, of half precision."""
    halves = {
        f"module.{name}": x.astype(np.float16) if x.ndim else x for name, x in checkpoint().items()
    }
    write_state_dict(tmp_path / "half.pt", halves)
    import_checkpoint(tmp_path / "half.pt", tmp_path / "cm")
    mine = haqagen_jax.load(tmp_path / "cm").variables["params"]["rgb_branch"]["down_4"]["kernel"]
    theirs = haqagen_jax.load(model).variables["params"]["rgb_branch"]["down_4"]["kernel"]
    np.testing.assert_array_equal(mine, theirs.astype(np.float16).astype(np.float32))


def test_bad_files_leave_nothing_behind(checkpoint, file, tmp_path, capsys):
    short = tmp_path / "short.pth"
    short.write_bytes(file.read_bytes()[:100_000])
    calls = tmp_path / "calls.pth"
    calls.write_bytes(b"\x80\x02cos\nsystem\n(X\x04\x00\x00\x00truetR.")
    other = tmp_path / "other.pth"
    write_state_dict(other, {"features.0.weight": np.zeros((1, 2), np.float32)})
    wrong = tmp_path / "wrong.pth"
    tensors = checkpoint()
    tensors["netG_C.layer10_conv.bias"] = np.zeros(4, np.float32)
    write_state_dict(wrong, tensors)
    infinite = tmp_path / "infinite.pth"
    write_state_dict(
        infinite, checkpoint() | {"netG_C.layer10_conv.bias": np.full(3, np.inf, "f4")}
    )
    for source in (tmp_path / "gone.pth", short, calls, other, wrong, infinite, tmp_path):
        before = sorted(os.listdir(tmp_path))
        code, said, error = run(capsys, "import", "colormamba", source, "-o", tmp_path / "x" / "cm")
        assert (code, said) == (2, "")
        assert error.startswith(f"haqagen: {source}") or source == infinite
        assert error.count("\n") == 1
        (tmp_path / "x").rmdir() if (tmp_path / "x").exists() else None
        assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("import", "colormamba", "a.pth"), "-o: is missing; name the model directory"),
        (("import", "vgg19", "a.pth", "-o", "d"), "-o d: is for colormamba"),
        (("export-torch", "gone", "-o", "netG.pt"), "gone: no such model directory"),
        (("export-torch", "gone", "-o", "."), ".: is a folder; name a file"),
    ],
)
def test_what_is_missing_is_named(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, error = run(capsys, *words)
    assert code == 2
    assert message in error
    assert not list(tmp_path.iterdir())


def test_a_directory_that_exists_is_kept(model, file):
    with pytest.raises(InputError, match="exists; choose another name with -o"):
        import_checkpoint(file, model)


def test_other_generators_are_not_pytorchs(tmp_path):
    small = Path(haqagen_jax.__file__).parent / "assets" / "small"
    with pytest.raises(InputError, match=r"is a haqagen generator; .* give a ColorMamba model"):
        export_checkpoint(small, tmp_path / "a.pt", overwrite=False)
    assert Config().model.architecture == "haqagen"
    assert not list(tmp_path.iterdir())
