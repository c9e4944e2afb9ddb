"""A network's tensors are found wherever a file holds them; what is no such file is named."""

import itertools
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from safetensors.numpy import save_file

from haqagen_jax.errors import InputError
from haqagen_jax.interop.state_dicts import convert, describe, fitted

SHAPES = {"a.conv.weight": (2, 1, 3, 3), "a.conv.bias": (2,), "b.0.weight": (3, 2), "b.0.gain": ()}
OTHER = {"model.0.weight": np.ones((4, 3, 2, 2), np.float32), "model.0.bias": np.ones(4, "f4")}


def net(value: float = 1) -> dict[str, np.ndarray]:
    return OrderedDict((name, np.full(s, value, np.float32)) for name, s in SHAPES.items())


def prefixed(prefix: str, tensors: dict) -> dict:
    return OrderedDict((prefix + name, tensor) for name, tensor in tensors.items())


def value_of(tensors) -> float:
    """Stands for a converter: wants these tensors and no others."""
    if set(tensors) != set(SHAPES):
        raise InputError(f"differs in {sorted(set(tensors) ^ set(SHAPES))}")
    for name, shape in SHAPES.items():
        if fitted(tensors[name], shape) is None:
            raise InputError(f"tensor {name}: has shape {tensors[name].shape}, not {shape}")
    return float(tensors["a.conv.weight"].mean())


def find(path):
    return convert(path, list(SHAPES), value_of, network="net", remedy="give a net")


PREFIXES = ("", "module.", "netG.", "_orig_mod.", "generator.", "module._orig_mod.", "net.G.model.")
NAMES = ("netG_state_dict", "netG", "state_dict", "model", "g", "g_ema", "ema", "params")
NAMES += ("params_ema", "generator", "G", "anything at all", "a.b", "0")


@pytest.mark.parametrize("sequence", [False, True])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_any_name_and_any_prefix(torch_save, tmp_path, prefix, sequence):
    for name in NAMES:
        tree = {"epoch": 3, name: prefixed(prefix, net(2)), "optimizer": {"state": {0: np.ones(2)}}}
        value, found = find(torch_save(tmp_path / "a.pth", tree, sequence=sequence))
        assert value == 2
        assert found.place.startswith(name)
        assert not found.others
    assert find(torch_save(tmp_path / "a.pth", prefixed(prefix, net(3))))[0] == 3


def test_any_depth_in_dictionaries_and_lists(torch_save, tmp_path):
    tree = prefixed("module.", net(4))
    for depth in range(12):
        tree = {f"level{depth}": tree, "step": depth} if depth % 2 else [depth, tree, None]
        assert find(torch_save(tmp_path / "a.pth", tree))[0] == 4
    for _ in range(200):
        tree = {"x": tree}
    with pytest.raises(InputError, match=r"of another network than net: .*it has no tensors"):
        find(torch_save(tmp_path / "a.pth", tree))


AVERAGES = ("ema", "g_ema", "params_ema", "netG_ema", "ema_model", "model_ema", "state_dict_ema")
AVERAGES += ("averaged", "average_model", "swa", "shadow", "modelEMA")


@pytest.mark.parametrize("average", AVERAGES)
def test_the_average_is_preferred_and_said(torch_save, tmp_path, average):
    for first in (False, True):
        entries = {"netG": net(1), average: net(2), "other": net(3)}
        names = [average, "netG", "other"] if first else list(entries)
        path = torch_save(tmp_path / "a.pth", {name: entries[name] for name in names})
        value, found = find(path)
        assert (value, found.place) == (2, average)
        assert set(found.others) == {"netG", "other"}
    parameters = {name: x for name, x in net(2).items() if "gain" not in name}
    path = torch_save(tmp_path / "a.pth", {average: parameters, "netG": net(1)})
    assert find(path)[0] == 1  # an average of a part is no network


def test_without_an_average_the_first_that_fits(torch_save, tmp_path):
    wrong = net(5) | {"a.conv.weight": np.ones((2, 1, 5, 5), np.float32)}
    orders = list(itertools.permutations([("x", net(1)), ("y", net(2)), ("ema", wrong)]))
    assert len(orders) == 6
    for order in orders:
        value, found = find(torch_save(tmp_path / "a.pth", dict(order)))
        assert value == {"x": 1, "y": 2}[next(name for name, _ in order if name != "ema")]
        assert found.place != "ema"


def test_what_stands_beside_is_left_alone(torch_save, tmp_path, instance):
    beside = {
        "args": instance("argparse", "Namespace", {"lr": 0.1, "path": "x"}),
        "best": instance("numpy.core.multiarray", "scalar"),
        "sampler": [1, (2, None), {"x": instance("os", "system", {"a": [1]})}],
        "netD": OTHER,
        "rng": np.ones(5, np.int64),
    }
    for count in range(len(beside) + 1):
        for names in itertools.combinations(beside, count):
            tree = {name: beside[name] for name in names} | {"G": net(7)}
            assert find(torch_save(tmp_path / "a.pth", tree))[0] == 7


def test_networks_that_were_pickled_whole(torch_save, tmp_path, instance):
    def module(**entries):
        state = {"training": True, "_parameters": {}, "_buffers": {}, "_modules": {}} | entries
        return instance("models.networks", "Net", state)

    tensors = net(8)
    conv = {name: tensors[f"a.conv.{name}"] for name in ("weight", "bias")}
    last = module(
        _parameters={"weight": tensors["b.0.weight"]}, _buffers={"gain": tensors["b.0.gain"]}
    )
    a = module(_modules={"conv": module(_parameters=conv, weight=np.ones(3, np.float32))})
    whole = module(_modules=OrderedDict(a=a, b=module(_modules={"0": last})))
    parallel = module(_modules={"module": whole})
    for tree in (whole, parallel, {"model": whole}, {"ema": parallel, "epoch": 1}, [whole]):
        assert find(torch_save(tmp_path / "a.pth", tree))[0] == 8
    more = module(_modules={"a": a, "b": module(_modules={"0": last}), "c": last})
    with pytest.raises(InputError, match=r"differs in \['c.gain', 'c.weight'\]"):
        find(torch_save(tmp_path / "a.pth", more))


def test_parts_in_dictionaries_of_their_own(torch_save, tmp_path):
    tensors = net(9)
    parts = {
        "a": {k.removeprefix("a."): v for k, v in tensors.items() if k.startswith("a.")},
        "b": {"module.0.weight": tensors["b.0.weight"], "module.0.gain": tensors["b.0.gain"]},
    }
    assert find(torch_save(tmp_path / "a.pth", parts | {"d": OTHER}))[0] == 9
    parts["a"]["extra"] = np.ones(2, np.float32)
    with pytest.raises(InputError, match=r"differs in \['a.extra'\]"):
        find(torch_save(tmp_path / "a.pth", parts))


def test_counters_of_an_averaged_model(torch_save, tmp_path):
    tree = OrderedDict(n_averaged=np.array(3)) | prefixed("module.", net(2))
    assert find(torch_save(tmp_path / "a.pth", tree))[0] == 2


@pytest.mark.parametrize("prefix", PREFIXES)
def test_safetensors_and_numpy_archives(tmp_path, prefix):
    tensors = prefixed(prefix, net(6)) | {f"d.{name}": x for name, x in OTHER.items()}
    save_file(tensors if prefix else net(6), tmp_path / "a.pth")  # whatever the name says
    assert find(tmp_path / "a.pth")[0] == 6
    np.savez(tmp_path / "a.npz", **(tensors if prefix else net(6)))  # pyright: ignore[reportArgumentType]
    assert find(tmp_path / "a.npz")[0] == 6


def test_the_nearest_difference_is_named(torch_save, tmp_path):
    missing, extra = net(), net() | {"a.more": np.ones(1, np.float32)}
    del missing["a.conv.bias"]
    wrong = net() | {"b.0.weight": np.ones((3, 5), np.float32)}
    twice = net() | prefixed("module.", {"a.conv.bias": np.ones(2, np.float32)})
    cases = {
        r"differs in \['a.conv.bias'\]": missing,
        r"differs in \['a.more'\]": extra,
        r"tensor b.0.weight: has shape \(3, 5\), not \(3, 2\)": wrong,
        "holds tensor a.conv.bias twice": twice,
    }
    for (message, tensors), name in itertools.product(cases.items(), (None, "netG", "ema")):
        tree = tensors if name is None else {name: tensors, "d": OTHER}
        path = torch_save(tmp_path / "a.pth", tree)
        place = f"{path}: " if name is None else f"{path}, {name}: "
        with pytest.raises(InputError, match=message) as caught:
            find(path)
        assert str(caught.value).startswith(place)


def test_another_network_is_described(torch_save, tmp_path):
    said = r"of another network than net: no tensor is named a.conv.weight; it has (\d+) tensors "
    said += r"such as [^;]*model.0.weight \(4, 3, 2, 2\)[^;]*; give a net$"
    for count in range(1, 11):
        tensors = OTHER | {f"model.{i}.bias": np.ones(2, np.float32) for i in range(1, count)}
        for tree in (tensors, {"netD": tensors}, [tensors]):
            path = torch_save(tmp_path / "a.pth", tree)
            with pytest.raises(InputError, match=said):
                find(path)
            assert f"a PyTorch checkpoint, and it has {count + 1} tensors such" in describe(path)
    save_file({"params/rgb_branch/x": np.ones(2, np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="give its folder with --model"):
        find(tmp_path / "model.safetensors")


def test_what_holds_no_tensors(torch_save, tmp_path, instance):
    evil = instance("posix", "system")
    for tree in ({}, [], {"epoch": 1}, {"x": evil}, evil, [1, [2]], {"a": {}}, 7, "text", None):
        with pytest.raises(InputError, match="it has no tensors") as caught:
            find(torch_save(tmp_path / "a.pth", tree))
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"no tensors, but 'x' \(posix.system\)"):
        find(torch_save(tmp_path / "a.pth", {"x": evil}))


def test_nothing_is_executed(torch_save, tmp_path):
    trace = tmp_path / "trace"

    class Evil:
        def __reduce__(self):
            return exec, (f"open({str(trace)!r}, 'w')",)

    path = torch_save(tmp_path / "a.pth", {"evil": Evil(), "G": net(2)})
    assert find(path)[0] == 2
    path.write_bytes(pickle.dumps({"G": net(2), "evil": Evil()}))
    with pytest.raises(InputError, match=r"is a Python pickle that torch\.save did not write"):
        find(path)
    np.savez(path.with_suffix(".npz"), evil=np.array([Evil()], object), **net(2))  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match=r"\(.npz\) that is truncated or damaged"):
        find(path.with_suffix(".npz"))
    assert not trace.exists()


@pytest.mark.parametrize("kind", ["zip", "sequence", "safetensors", "npz"])
def test_damage_is_one_line(torch_save, tmp_path, kind):
    path = tmp_path / "a.pth"
    match kind:
        case "safetensors":
            save_file(net(), path)
        case "npz":
            np.savez(path.with_suffix(".npz"), **net())  # pyright: ignore[reportArgumentType]
            path.with_suffix(".npz").rename(path)
        case _:
            torch_save(path, {"G": net()}, sequence=kind == "sequence")
    data, rng = path.read_bytes(), np.random.default_rng(0)
    cut = [data[: len(data) * i // 24] for i in range(24)]
    flipped = [bytearray(data) for _ in range(24)]
    for other in flipped:
        other[rng.integers(len(data))] ^= 1 << rng.integers(8)
    for content in (*cut, *flipped):
        path.write_bytes(content)
        try:
            assert find(path)[1].place in ("", "G") or content in flipped
        except InputError as error:
            assert str(error).startswith(str(path))  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert content in flipped


@pytest.mark.parametrize("axes", range(6))
def test_axes_of_length_one_are_harmless(axes):
    ones = (1,) * axes
    assert fitted(np.ones(ones), ()) == 1
    for shape in ((5, *ones), (*ones, 5)):
        tensor = fitted(np.ones(shape), (5,))
        assert tensor is not None
        assert tensor.shape == (5,)
    assert fitted(np.ones((2, 3, *ones)), (2, 3)) is None or not axes  # may mean something else
    assert fitted(np.ones(6), (2, 3)) is None
    assert fitted(np.ones(()), (5,)) is None
