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
# At the default precision GPUs and TPUs round the factors of a product to fewer bits.
exact_matmul = functools.partial(jnp.matmul, precision=lax.Precision.HIGHEST)


def maybe_remat(module: nn.Module, *inputs: Any, remat: bool, **options: Any) -> Any:
    """Call a module, rematerialized in the backward pass or not.

    Args:
        module: The module.
        inputs: Arrays to call it with.
        remat: Keep only the inputs for the backward pass, which computes the rest again.
        options: Static options to call it with.

    Returns:
        The outputs of the module.
    """

    def run(module: Any, *inputs: Any) -> Any:
        return module(*inputs, **options)

    return (nn.remat(run) if remat else run)(module, *inputs)


def smooth_upsampling(key: Array, shape: Sequence[int], *_: Any) -> Array:
    """Initialize a 4x4 transposed convolution as bilinear upsampling of randomly mixed channels.

    Independent random taps would print a checkerboard that training has to remove first.

    Args:
        key: Random key.
        shape: Shape of the kernel, (4, 4, in, out).
        _: Ignored: initializers are given a dtype, and the kernel is float32.

    Returns:
        The kernel, 4 4 i o, float32.

    Reference: Long et al., "Fully Convolutional Networks for Semantic Segmentation" (2015),
    Sec. 3.3, for the bilinear start; Aitken et al., "Checkerboard artifact free sub-pixel
    convolution" (2017), for why.
    """
    taps = jnp.array([1.0, 3.0, 3.0, 1.0]) / 4
    mixing = kernel_init(key, (1, 1, *shape[2:]))
    return (taps[:, None] * taps[None])[..., None, None] * mixing


def leaky_relu(x: Array) -> Array:
    """Apply LeakyReLU with the slope 0.2 of the published encoder and critics.

    Args:
        x: Array of any shape.

    Returns:
        The activations, in the shape and dtype of `x`.
    """
    return nn.leaky_relu(x, 0.2)


def even_phases(kernel: Float[Array, "4 4 i o"]) -> Float[Array, "4 4 i o"]:
    """Make a 4x4 transposed convolution of stride 2 map a constant to a constant.

    Each output pixel of a 2x2 block sees its own four of the sixteen taps. Where their sums differ
    the block prints a grid of period 2; here each sum is moved to the mean of the four.

    Args:
        kernel: Weights, 4 4 i o.

    Returns:
        The nearest kernel (least squares) whose four sums are equal, 4 4 i o.

    Reference: Sugawara et al., "Checkerboard artifacts free convolutional neural networks" (2019),
    for the condition; the projection is ours.
    """
    phases = kernel.reshape(2, 2, 2, 2, *kernel.shape[2:])  # tap y, pixel y, tap x, pixel x
    means = phases.mean((0, 2), keepdims=True)
    return (phases - means + means.mean((1, 3), keepdims=True)).reshape(kernel.shape)


class ConvTranspose4x4Up(nn.Module):
    """Transposed convolution that doubles the size; see `ops.conv.conv_transpose4x4`.

    Attributes:
        features: Number of output channels.
        even: Project the kernel by `even_phases`.
        start: Initializer of the kernel.
        dtype: Dtype of the computation.
    """

    features: int
    even: bool = False
    start: nn.initializers.Initializer = smooth_upsampling
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b H W o"]:
        """Double the size of a map.

        Args:
            x: Feature map, b h w i.

        Returns:
            The map at twice the height and width, b (2 h) (2 w) o.
        """
        kernel = self.param("kernel", self.start, (4, 4, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        if self.even:
            kernel = even_phases(kernel)
        y = conv.conv_transpose4x4(x.astype(self.dtype), kernel.astype(self.dtype))
        return y + bias.astype(self.dtype)[None, None, None]


class ConvTranspose2x2Up(nn.Module):
    """Transposed convolution, 2x2, stride 2: every pixel becomes a block of four.

    Attributes:
        features: Number of output channels.
        dtype: Dtype of the computation.
    """

    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b H W o"]:
        """Double the size of a map.

        Args:
            x: Feature map, b h w i.

        Returns:
            The map at twice the height and width, b (2 h) (2 w) o.
        """
        b, h, w, c = x.shape
        kernel = self.param("kernel", kernel_init, (2, 2, c, self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        kernel, x = kernel.astype(self.dtype), x.astype(self.dtype)
        y = jnp.einsum("bhwi,pqio->bhpwqo", x, kernel).reshape(b, 2 * h, 2 * w, self.features)
        return y + bias.astype(self.dtype)[None, None, None]


class Conv3x3(nn.Module):
    """3x3 convolution that keeps the size; see `ops.conv.conv3x3`.

    Attributes:
        features: Number of output channels.
        dtype: Dtype of the computation.
    """

    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h w o"]:
        """Convolve.

        Args:
            x: Feature map, b h w i.

        Returns:
            A map of the same height and width, b h w o.
        """
        kernel = self.param("kernel", kernel_init, (3, 3, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        y = conv.conv3x3(x.astype(self.dtype), kernel.astype(self.dtype))
        return y + bias.astype(self.dtype)[None, None, None]


class DepthwiseConv3x3(nn.Module):
    """Depthwise 3x3 convolution; see `ops.depthwise.depthwise_conv`.

    Attributes:
        dtype: Dtype of the computation.
    """

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Convolve each channel.

        Args:
            x: Feature map, b h w c.

        Returns:
            A map of the same shape.
        """
        channels = x.shape[-1]
        # Each kernel sees one input channel, so the fan-in is nine.
        kernel = self.param("kernel", kernel_init, (3, 3, 1, channels))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        y = depthwise_conv(x.astype(self.dtype), kernel[:, :, 0].astype(self.dtype))
        return y + bias.astype(self.dtype)[None, None, None]


class SpectralConv(nn.Module):
    """Spectrally normalized convolution: its kernel is divided by its largest singular value.

    The singular vectors `u` and `v` are state, in the collection "spectral": one step of power
    iteration while training, none otherwise. No gradient flows through them.

    Attributes:
        features: Number of output channels.
        kernel_size: Side of the kernel, pixels.
        stride: Stride along both axes.
        padding: Zeros on every side of the map, pixels.
        use_bias: Add a bias to each output channel.
        dtype: Dtype of the computation.

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
        """Convolve with the normalized kernel.

        Args:
            x: Feature map, b h w i.
            train: Whether to take a step of power iteration; "spectral" must then be mutable.

        Returns:
            The convolved map, b H W o.
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
    """Approximate the leading right singular vector by 15 power iterations."""

    def iterate(_: Array, u: Array) -> Array:
        return _unit(exact_matmul(_unit(exact_matmul(matrix, u)), matrix))

    return lax.fori_loop(0, 15, iterate, _unit(start))
