"""What layers cost in the form that they have here, beside the plain one.

    DEVICES=1 launch/cpu.sh python benchmarks/layers.py

A row for each layer at a size that the paper's generator has, forward and with all gradients: the
median milliseconds of both forms, interleaved, and the MB of their temporaries.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from haqagen_jax.models.criss_cross import criss_cross
from haqagen_jax.ops.conv import conv3x3, conv_transpose4x4
from haqagen_jax.ops.cross_scan import cross_scan, cross_scan_each
from haqagen_jax.ops.depthwise import depthwise_conv
from haqagen_jax.ops.resample import resize_bilinear, resize_nearest

LAYOUT = ("NHWC", "HWIO", "NHWC")
HEAD = ("layer", "what", "plain, ms", "ours, ms", "plain to ours", "plain, MB", "ours, MB")


class Pair(NamedTuple):
    """Two forms of a layer, and the shapes of their arguments."""

    name: str
    plain: Callable[..., Any]
    ours: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    print(f"| {' | '.join(HEAD)} |")
    print("|---|---|" + "--:|" * (len(HEAD) - 2), flush=True)
    for pair in PAIRS:
        for gradients in (False, True):
            row(pair, gradients, args.rounds)


def row(pair: Pair, gradients: bool, rounds: int) -> None:
    """Measure and print one row."""
    rng = np.random.default_rng(0)
    inputs = [jax.device_put(0.1 * rng.standard_normal(s, np.float32)) for s in pair.shapes]
    forms = [compiled(form, gradients, inputs) for form in (pair.plain, pair.ours)]
    times: list[list[float]] = [[], []]
    for turn in range(rounds + 1):
        for form, taken in zip(forms, times, strict=True):
            since = time.monotonic()
            jax.block_until_ready(form(*inputs))
            if turn:  # the first one warms up
                taken.append(time.monotonic() - since)
    plain, ours = (1000 * statistics.median(taken) for taken in times)
    memory = [form.memory_analysis().temp_size_in_bytes / 1e6 for form in forms]
    cells = [pair.name, "with gradients" if gradients else "forward", f"{plain:.1f}", f"{ours:.1f}"]
    cells += [f"{plain / ours:.2f}", *(f"{x:.0f}" for x in memory)]
    print(f"| {' | '.join(cells)} |", flush=True)


def compiled(form: Callable[..., Any], gradients: bool, inputs: list[Array]) -> Any:
    """Compile a form, or its gradients."""

    def total(*inputs: Array) -> Array:
        return sum((jnp.square(x).sum() for x in jax.tree.leaves(form(*inputs))), jnp.zeros(()))

    program = jax.grad(total, argnums=tuple(range(len(inputs)))) if gradients else form
    return jax.jit(program).lower(*inputs).compile()


def plain_depthwise(x: Array, kernel: Array) -> Array:
    """Convolve each channel by XLA's grouped convolution."""
    groups = x.shape[-1]
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        (1, 1),
        "SAME",
        dimension_numbers=LAYOUT,
        feature_group_count=groups,
    )


def plain_conv(x: Array, kernel: Array) -> Array:
    """Convolve by XLA's convolution."""
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=LAYOUT)


def plain_transposed(x: Array, kernel: Array) -> Array:
    """Convolve the map with zeros between its pixels."""
    return lax.conv_transpose(x, kernel[::-1, ::-1], (2, 2), "SAME", dimension_numbers=LAYOUT)


def plain_criss_cross(query: Array, key: Array, value: Array) -> Array:
    """Attend with all scores of rows and columns at once, and an infinite mask."""
    h = query.shape[1]
    rows = jnp.einsum("bhwi,bhvi->bhwv", query, key)
    columns = jnp.einsum("bhwi,bgwi->bhwg", query, key)
    columns = columns + jnp.where(jnp.eye(h, dtype=bool), -jnp.inf, 0.0)[None, :, None]
    weights = jax.nn.softmax(jnp.concatenate([rows, columns], -1))
    along_rows = jnp.einsum("bhwv,bhvc->bhwc", weights[..., : rows.shape[-1]], value)
    return along_rows + jnp.einsum("bhwg,bgwc->bhwc", weights[..., rows.shape[-1] :], value)


def two_convolutions(x: Array, kernel: Array) -> list[Array]:
    """Compute SPADE's scale and shift by a convolution each."""
    return [plain_conv(x, part) for part in jnp.split(kernel, 2, -1)]


def one_convolution(x: Array, kernel: Array) -> list[Array]:
    """Compute SPADE's scale and shift by one convolution."""
    return jnp.split(conv3x3(x, kernel), 2, -1)


def gathered_bilinear(x: Array) -> Array:
    """Double the size by gathering the four neighbors of each pixel."""
    _, h, w, _ = x.shape
    for axis, n in ((1, h), (2, w)):
        position = np.arange(2 * n) * ((n - 1) / (2 * n - 1))
        low = np.minimum(position.astype(int), n - 2)
        part = np.expand_dims(np.float32(position - low), [i for i in range(4) if i != axis])
        first, second = jnp.take(x, low, axis), jnp.take(x, low + 1, axis)
        x = first * (1 - part) + second * part
    return x


def doubled_bilinear(x: Array) -> Array:
    """Double the size by our bilinear interpolation."""
    return resize_bilinear(x, height=2 * x.shape[1], width=2 * x.shape[2])


def plain_nearest(x: Array) -> Array:
    """Double the size by JAX's nearest neighbor."""
    b, h, w, c = x.shape
    return jax.image.resize(x, (b, 2 * h, 2 * w, c), "nearest")


def doubled_nearest(x: Array) -> Array:
    """Double the size by our nearest neighbor."""
    return resize_nearest(x, height=2 * x.shape[1], width=2 * x.shape[2])


def projected_late(x: Array, kernel: Array) -> tuple[Array, Array]:
    """Scan the map in four directions, then project each sequence."""
    u = cross_scan(x)
    return u, jnp.einsum("blkd,kdr->blkr", u, kernel)


def projected_early(x: Array, kernel: Array) -> tuple[Array, Array]:
    """Project the map, then scan the projections in four directions, as our networks do."""
    return cross_scan(x), cross_scan_each(jnp.einsum("bhwd,kdr->bhwkr", x, kernel))


PAIRS = (
    Pair(
        "depthwise 3x3, 130x130x128",
        plain_depthwise,
        depthwise_conv,
        ((1, 130, 130, 128), (3, 3, 128)),
    ),
    Pair(
        "3x3, 256x256, 128 to 128",
        plain_conv,
        conv3x3,
        ((1, 256, 256, 128), (3, 3, 128, 128)),
    ),
    Pair("3x3, 2x2, 512 to 512", plain_conv, conv3x3, ((1, 2, 2, 512), (3, 3, 512, 512))),
    Pair(
        "transposed 4x4, 64x64, 384 to 64",
        plain_transposed,
        conv_transpose4x4,
        ((1, 64, 64, 384), (4, 4, 384, 64)),
    ),
    Pair(
        "criss-cross attention, 256x256x64",
        plain_criss_cross,
        criss_cross,
        ((1, 256, 256, 8), (1, 256, 256, 8), (1, 256, 256, 64)),
    ),
    Pair(
        "SPADE's scale and shift, 128x128x64",
        two_convolutions,
        one_convolution,
        ((1, 128, 128, 128), (3, 3, 128, 128)),
    ),
    Pair("bilinear, 64x64x256, twice", gathered_bilinear, doubled_bilinear, ((1, 64, 64, 256),)),
    Pair("nearest, 128x128x68, twice", plain_nearest, doubled_nearest, ((1, 128, 128, 68),)),
    Pair(
        "four sequences, 130x130x128",
        projected_late,
        projected_early,
        ((1, 130, 130, 128), (4, 128, 36)),
    ),
)

if __name__ == "__main__":
    main()
