"""Layers that several networks share.

Channels last. Parameters, normalization and spectral norms are float32; convolutions compute in
`dtype`. Initial values follow the published networks' framework: uniform with variance
1 / (3 fan_in), zero biases; transposed convolutions start as smooth upsampling (ours).
"""

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike
from jaxtyping import Float

from haqagen_jax.ops import conv
from haqagen_jax.ops.depthwise import depthwise_conv
from haqagen_jax.ops.normalize import EPSILON

kernel_init = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
Conv4x4Down = functools.partial(
    nn.Conv, kernel_size=(4, 4), strides=(2, 2), padding=1, kernel_init=kernel_init
)
Dense = functools.partial(nn.Dense, kernel_init=kernel_init)
LayerNorm = functools.partial(nn.LayerNorm, epsilon=EPSILON)
# Without it GPUs and TPUs round the factors of a product to fewer bits than float32.
exact_matmul = functools.partial(jnp.matmul, precision=lax.Precision.HIGHEST)


def call(module: nn.Module, *inputs: Any, remat: bool, **options: Any) -> Any:
    """Calls a block.

    Args:
        module: the block.
        inputs: arrays.
        remat: keep the inputs alone for the backward pass, which then computes the block again.
        options: what is no array.
    """

    def run(module: Any, *inputs: Any) -> Any:
        return module(*inputs, **options)

    return (nn.remat(run) if remat else run)(module, *inputs)


def smooth_upsampling(key: Array, shape: Sequence[int], *_: Any) -> Array:
    """Initial kernel of a 4x4 transposed convolution: random mixing of bilinear upsampling.

    Random taps would print a checkerboard that training has to remove first.

    Args:
        key: random key.
        shape: (4, 4, in, out).
        _: a type, which is float32.

    Returns:
        The kernel.

    Reference: Long et al., "Fully Convolutional Networks for Semantic Segmentation" (2015),
    Sec. 3.3, for the bilinear start; Aitken et al., "Checkerboard artifact free sub-pixel
    convolution" (2017), for why.
    """
    taps = jnp.array([1.0, 3.0, 3.0, 1.0]) / 4
    mixing = kernel_init(key, (1, 1, *shape[2:]))
    return (taps[:, None] * taps[None])[..., None, None] * mixing


def leaky_relu(x: Array) -> Array:
    """LeakyReLU with the slope 0.2 of the published encoder and critics."""
    return nn.leaky_relu(x, 0.2)


def even_phases(kernel: Float[Array, "4 4 i o"]) -> Float[Array, "4 4 i o"]:
    """Makes a 4x4 transposed convolution of stride 2 answer a flat map with a flat map.

    Each output pixel of a 2x2 block sees its own four of the sixteen taps. Where their sums differ
    the block prints a grid of period 2; here each sum is moved to the mean of the four.

    Args:
        kernel: any.

    Returns:
        The nearest kernel whose four sums are equal.

    Reference: Sugawara et al., "Checkerboard artifacts free convolutional neural networks" (2019),
    for the condition; the projection is ours.
    """
    phases = kernel.reshape(2, 2, 2, 2, *kernel.shape[2:])  # tap y, pixel y, tap x, pixel x
    means = phases.mean((0, 2), keepdims=True)
    return (phases - means + means.mean((1, 3), keepdims=True)).reshape(kernel.shape)


class ConvTranspose4x4Up(nn.Module):
    """Transposed convolution that doubles the size; see `ops.conv.conv_transpose4x4`."""

    features: int
    even: bool = False  # see `even_phases`
    start: nn.initializers.Initializer = smooth_upsampling
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b H W o"]:
        """Returns the map at twice the height and width."""
        kernel = self.param("kernel", self.start, (4, 4, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        if self.even:
            kernel = even_phases(kernel)
        y = conv.conv_transpose4x4(x.astype(self.dtype), kernel.astype(self.dtype))
        return y + bias.astype(self.dtype)[None, None, None]


class ConvTranspose2x2Up(nn.Module):
    """Transposed convolution, 2x2, stride 2: every pixel becomes a block of four."""

    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b H W o"]:
        """Returns the map at twice the height and width."""
        b, h, w, c = x.shape
        kernel = self.param("kernel", kernel_init, (2, 2, c, self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        kernel, x = kernel.astype(self.dtype), x.astype(self.dtype)
        y = jnp.einsum("bhwi,pqio->bhpwqo", x, kernel).reshape(b, 2 * h, 2 * w, self.features)
        return y + bias.astype(self.dtype)[None, None, None]


class Conv3x3(nn.Module):
    """3x3 convolution that keeps the size; see `ops.conv.conv3x3`."""

    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h w o"]:
        """Returns a map of the same height and width."""
        kernel = self.param("kernel", kernel_init, (3, 3, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        y = conv.conv3x3(x.astype(self.dtype), kernel.astype(self.dtype))
        return y + bias.astype(self.dtype)[None, None, None]


class DepthwiseConv3x3(nn.Module):
    """One 3x3 kernel a channel; see `ops.depthwise.depthwise_conv`."""

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Returns a map of the same shape."""
        channels = x.shape[-1]
        # One input channel a kernel: the fan-in is nine.
        kernel = self.param("kernel", kernel_init, (3, 3, 1, channels))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        y = depthwise_conv(x.astype(self.dtype), kernel[:, :, 0].astype(self.dtype))
        return y + bias.astype(self.dtype)[None, None, None]


class SpectralConv(nn.Module):
    """A convolution whose kernel is divided by its largest singular value.

    The singular vectors `u` and `v` are state, in the collection "spectral": one step of power
    iteration while training, none otherwise. No gradient flows through them.

    Reference: Miyato et al., "Spectral Normalization for Generative Adversarial Networks" (2018).
    """

    features: int
    kernel_size: int
    stride: int = 1
    padding: int = 1
    use_bias: bool = True
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"], *, train: bool) -> Float[Array, "b H W o"]:
        """Convolves with the normalized kernel.

        Args:
            x: a map.
            train: whether to take a step of power iteration; "spectral" must then be mutable.
        """
        size = self.kernel_size
        kernel = self.param("kernel", kernel_init, (size, size, x.shape[-1], self.features))
        matrix = kernel.reshape(-1, self.features)
        fixed = lax.stop_gradient(matrix)
        u_state = self.variable("spectral", "u", lambda: _converged(fixed, self._start()))
        v_state = self.variable("spectral", "v", lambda: _unit(exact_matmul(fixed, u_state.value)))
        if train and not self.is_initializing():
            v_state.value = _unit(exact_matmul(fixed, u_state.value))
            u_state.value = _unit(exact_matmul(v_state.value, fixed))
        u, v = lax.stop_gradient((u_state.value, v_state.value))
        kernel = (kernel / exact_matmul(exact_matmul(v, matrix), u)).astype(self.dtype)
        x = x.astype(self.dtype)
        if (size, self.stride, self.padding) == (3, 1, 1):
            y = conv.conv3x3(x, kernel)
        else:
            strides, padding = (self.stride,) * 2, ((self.padding, self.padding),) * 2
            layout = ("NHWC", "HWIO", "NHWC")
            y = lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=layout)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            y = y + bias.astype(self.dtype)[None, None, None]
        return y

    def _start(self) -> Array:
        return jax.random.normal(self.make_rng("params"), (self.features,))


def _unit(x: Array) -> Array:
    return x / (jnp.linalg.norm(x) + 1e-12)


def _converged(matrix: Array, start: Array) -> Array:
    """The right singular vector of the largest singular value, after 15 power iterations."""

    def iterate(_: Array, u: Array) -> Array:
        return _unit(exact_matmul(_unit(exact_matmul(matrix, u)), matrix))

    return lax.fori_loop(0, 15, iterate, _unit(start))
