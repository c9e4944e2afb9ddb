"""Files that PyTorch 2.13 wrote are read bit for bit: those in `golden`, by `write_files`, and new
ones where PyTorch is installed.
"""

from pathlib import Path

import numpy as np
import pytest

from haqagen_jax.errors import InputError
from haqagen_jax.interop.torch_checkpoint import read_state_dict
from haqagen_jax.interop.torch_writer import write_state_dict

GOLDEN = Path(__file__).parents[1] / "golden" / "torch"
# A convolution with spectral norm and a batch norm.
SHAPES = {
    "0.bias": (3,),
    "0.weight_orig": (3, 2, 1, 2),
    "0.weight_u": (3,),
    "0.weight_v": (4,),
    "1.weight": (3,),
    "1.bias": (3,),
    "1.running_mean": (3,),
    "1.running_var": (3,),
    "1.num_batches_tracked": (),
}


def network(torch):
    convolution = torch.nn.utils.spectral_norm(torch.nn.Conv2d(2, 3, (1, 2)))
    return torch.nn.Sequential(convolution, torch.nn.BatchNorm2d(3))


def write_files(torch, folder: Path) -> None:
    """Tensor number i of each file holds i, i + 1, i + 2 and so on."""
    net = network(torch)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(2, 2, 4, 4)).square().sum().backward()
    optimizer.step()
    state = net.state_dict()
    for index, tensor in enumerate(state.values()):
        tensor.copy_(torch.arange(tensor.numel()).reshape(tensor.shape) + index)
    torch.save(state, folder / "state.pt")
    torch.save(state, folder / "sequence.pth", _use_new_zipfile_serialization=False)
    wrapped = {"epoch": 3, "optimizer": optimizer.state_dict(), "state_dict": state}
    wrapped["best"] = (0.5, None, [True])
    torch.save(wrapped, folder / "wrapped.pt")
    torch.save(wrapped, folder / "wrapped_sequence.pth", _use_new_zipfile_serialization=False)
    torch.save(torch.nn.DataParallel(net).half().state_dict(), folder / "parallel_half.pt")


@pytest.fixture(params=["golden", "now"])
def folder(request, tmp_path) -> Path:
    if request.param == "golden":
        return GOLDEN
    write_files(pytest.importorskip("torch"), tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "prefix", "dtype"),
    [
        ("state.pt", "", np.float32),
        ("sequence.pth", "", np.float32),
        ("wrapped.pt", "", np.float32),
        ("wrapped_sequence.pth", "", np.float32),
        ("parallel_half.pt", "module.", np.float16),
    ],
)
def test_a_file_of_torch(folder, file, prefix, dtype):
    loaded = read_state_dict(folder / file)
    assert list(loaded) == [prefix + name for name in SHAPES]
    for index, (tensor, shape) in enumerate(zip(loaded.values(), SHAPES.values(), strict=True)):
        expected = index + np.arange(np.prod(shape, dtype=int)).reshape(shape)
        expected = expected.astype(dtype if shape else np.int64)
        np.testing.assert_array_equal(tensor, expected, strict=True)


@pytest.mark.parametrize("zipped", [True, False])
def test_other_types_and_whole_networks_of_torch(zipped, tmp_path):
    torch = pytest.importorskip("torch")
    net = network(torch)
    state = net.state_dict()
    state["half"] = torch.arange(6).half().reshape(2, 3)
    state["bfloat"] = torch.arange(6).bfloat16().reshape(2, 3).T
    state["parameter"] = torch.nn.Parameter(torch.ones(2))
    path = tmp_path / "a.pt"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    loaded = read_state_dict(path)
    assert list(loaded) == list(state)
    for name, expected in state.items():
        assert loaded[name].dtype.name == str(expected.dtype).removeprefix("torch.")
        np.testing.assert_array_equal(
            loaded[name].astype(np.float32), expected.detach().float().numpy()
        )
    torch.save(net, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"refers to torch\.nn\.modules.*Sequential"):
        read_state_dict(path)


def test_torch_loads_what_is_written(tmp_path):
    torch = pytest.importorskip("torch")
    tensors = read_state_dict(GOLDEN / "state.pt")
    tensors["double"] = np.arange(6.0).reshape(2, 3).T
    tensors["half"] = np.array([[1.5]], np.float16)
    tensors["empty"] = np.empty((0, 3), np.float32)
    write_state_dict(tmp_path / "a.pt", tensors)
    for mmap in (True, False):
        state = torch.load(tmp_path / "a.pt", weights_only=True, mmap=mmap)
        assert list(state) == list(tensors)
        for name, tensor in tensors.items():
            assert state[name].is_contiguous()
            assert not state[name].requires_grad
            np.testing.assert_array_equal(state[name].numpy(), tensor, strict=True)


def test_layers_of_torch_take_what_is_written(tmp_path):
    torch = pytest.importorskip("torch")
    first, second = network(torch), network(torch)
    images = torch.ones(2, 2, 4, 4)
    first(images)  # moves the running means and the vectors of spectral norm
    torch.save(first.state_dict(), tmp_path / "a.pt")
    write_state_dict(tmp_path / "b.pt", read_state_dict(tmp_path / "a.pt"))
    second.load_state_dict(torch.load(tmp_path / "b.pt"), strict=True)
    assert torch.equal(first.eval()(images), second.eval()(images))
