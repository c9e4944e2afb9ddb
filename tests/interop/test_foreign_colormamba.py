"""ColorMamba's generator out of the files that people have, by the command."""

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from haqagen_jax import artifact
from haqagen_jax.cli import main
from haqagen_jax.errors import InputError
from haqagen_jax.interop import colormamba

BIAS = "netG_C.layer10_conv.bias"
COUNTER = "netG_A.cross_block.key_conv.2.num_batches_tracked"
SPECTRAL = "netG_A.decoder_5.SPADE_color.conv_0.weight"


@pytest.fixture
def imported(tmp_path, capsys):
    """Runs `haqagen weights import colormamba`; returns its status, its lines, and the bias."""

    def run(source: Path) -> tuple[object, str, list[float]]:
        out = tmp_path / "out"
        before = sorted(os.listdir(tmp_path))
        with pytest.raises(SystemExit) as stopped:
            main.main(["weights", "import", "colormamba", str(source), "-o", str(out)])
        said, error = capsys.readouterr()
        if stopped.value.code:
            assert not said
            assert error.startswith(f"haqagen: {source}")
            assert error.count("\n") == 1
            assert sorted(os.listdir(tmp_path)) == before
            return stopped.value.code, error, []
        _, variables = artifact.load(out)
        for file in out.iterdir():
            file.unlink()
        out.rmdir()
        bias = variables["params"]["hsv_branch"]["head"]["bias"]
        return stopped.value.code, said, bias.tolist()

    return run


def with_bias(tensors, value):
    return tensors | {BIAS: np.full(3, value, np.float32)}


def test_out_of_a_training_checkpoint(checkpoint, torch_save, tmp_path, imported):
    raw, average = with_bias(checkpoint(), 1), with_bias(checkpoint(), 2)
    path = tmp_path / "latest.pth"
    torch_save(path, {"epoch": 12, "netG_state_dict": raw, "optimizer_state_dict": {"state": {}}})
    code, said, bias = imported(path)
    assert (code, bias) == (0, [1, 1, 1])
    assert said.splitlines()[1].endswith(f"taken from netG_state_dict of {path}")
    torch_save(path, {"g": raw, "g_ema": {f"module.{n}": x for n, x in average.items()}, "d": {}})
    code, said, bias = imported(path)
    assert (code, bias) == (0, [2, 2, 2])
    assert said.splitlines()[1].endswith(f"taken from g_ema of {path} (not g)")


def test_out_of_safetensors(checkpoint, tmp_path, imported):
    path = tmp_path / "model.safetensors"
    save_file({f"generator.{n}": np.asarray(x) for n, x in checkpoint().items()}, path)
    assert imported(path)[0] == 0


def test_numbers_of_other_shapes(checkpoint):
    counter = checkpoint()[COUNTER]
    plain = colormamba.variables(checkpoint())
    for shape in ((), (1,), (1, 1)):
        for dtype in (np.int64, np.int32, np.float32, np.float64):
            changed = {COUNTER: counter.astype(dtype).reshape(shape)}
            assert colormamba.variables(checkpoint() | changed)[2] == plain[2]
    for shape in ((1, 3), (3, 1), (1, 3, 1, 1)):
        changed = {BIAS: checkpoint()[BIAS].reshape(shape)}
        variables = colormamba.variables(checkpoint() | changed)[1]
        np.testing.assert_array_equal(
            variables["params"]["hsv_branch"]["head"]["bias"], checkpoint()[BIAS]
        )


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        (COUNTER, np.ones(2), "is no number but of shape"),
        (COUNTER, np.array(np.nan), "is nan, not a count"),
        (COUNTER, np.ones((0,)), "is no number but of shape"),
        (BIAS, np.ones(4, np.float32), r"has shape \(4,\), not \(3,\)"),
        (BIAS, np.full(3, np.nan), "not finite"),
        (BIAS, np.full(3, 1e300), "not finite"),
        (f"{SPECTRAL}_orig", np.full((64, 64, 3, 3), np.inf, np.float32), "not finite"),
        ("netG_A.coder_1.0.weight", np.ones((0, 1, 4, 4), np.float32), "model.width = 0"),
    ],
)
def test_a_tensor_that_cannot_be(checkpoint, name, tensor, message):
    for lost in ((), ("u", "v")):
        tensors = checkpoint() | {name: tensor}
        for part in lost:
            del tensors[f"{SPECTRAL}_{part}"]
        with pytest.raises(InputError, match=message) as caught:
            colormamba.variables(tensors)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lost", [("_u", "_v"), ("_v",), ("_u", "_v", "_orig")])
def test_a_spectral_kernel_of_zeros(checkpoint, lost):
    tensors = checkpoint() | {f"{SPECTRAL}_orig": np.zeros((64, 64, 3, 3), np.float32)}
    if "_orig" in lost:
        tensors[SPECTRAL] = tensors[f"{SPECTRAL}_orig"]
    for part in lost:
        del tensors[f"{SPECTRAL}{part}"]
    flat = artifact.flatten(colormamba.variables(tensors)[1])
    assert all(np.isfinite(tensor).all() for tensor in flat.values())


def test_what_is_none_leaves_nothing(checkpoint, torch_save, tmp_path, imported):
    path = tmp_path / "w.pth"
    critic = {
        "model.0.weight": np.ones((64, 6, 4, 4), np.float32),
        "model.0.bias": np.ones(64, "f4"),
    }
    for content, message in (
        (b"", "is an empty file; download"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "is an HDF5 file, as Keras writes; give torch.save("),
        (b"\x1f\x8b\x08" + bytes(99), "is a gzip file; unpack it"),
        (b"hello", "is a text that begins 'hello'; give torch.save(netG.state_dict()"),
    ):
        path.write_bytes(content)
        code, error, _ = imported(path)
        assert code == 2
        assert message in error
    torch_save(path, {"netD": critic})
    said = (
        "of another network than ColorMamba's generator: no tensor is named netG_A.coder_1.0.weight"
    )
    assert said in imported(path)[1]
    tensors = checkpoint()
    del tensors[BIAS]
    torch_save(path, {"netG": tensors})
    said = f"w.pth, netG: is no ColorMamba generator: 1 tensors missing ({BIAS})"
    assert said in imported(path)[1]
    path.write_bytes(torch_save(path, checkpoint()).read_bytes()[:-1000])
    assert "truncated or damaged; download or copy it again" in imported(path)[1]
    assert "is a folder" in imported(tmp_path)[1]
