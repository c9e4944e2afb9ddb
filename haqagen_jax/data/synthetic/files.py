"""Rendered scenes as files: `NAME_nir.EXT` and `NAME_rgb.EXT` in one folder.

NIR is written grey, RGB in colour, both sRGB-encoded integers over the whole range of their type.
"""

from collections.abc import Sequence
from enum import Enum
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt

from haqagen_jax import imageio
from haqagen_jax.data.pair import FilePair
from haqagen_jax.data.synthetic.scene import render


class Depth(Enum):
    """A file format with a number of bits per sample: the file's extension, and the bits."""

    PNG_8 = (".png", 8)
    PNG_16 = (".png", 16)
    TIFF_16 = (".tif", 16)

    @property
    def suffix(self) -> str:
        """The file's extension."""
        return self.value[0]

    @property
    def bits(self) -> int:
        """Bits per sample."""
        return self.value[1]


def quantize(image: Float[np.ndarray, "h w c"], bits: int) -> UInt[np.ndarray, "h w c"]:
    """Round an image to integers.

    Args:
        image: In [0, 1]; values outside are clipped.
        bits: 8 or 16.

    Returns:
        uint8 or uint16 of the same shape, 1 becoming the type's maximum.

    Raises:
        ValueError: If `bits` is neither 8 nor 16.
    """
    if bits not in (8, 16):
        raise ValueError(f"bits = {bits}: must be 8 or 16")
    levels = np.rint(np.clip(image, 0, 1) * np.float64(2**bits - 1))
    return levels.astype(np.uint8 if bits == 8 else np.uint16)


def write_pairs(
    directory: str | Path,
    *,
    count: int,
    sizes: Sequence[tuple[int, int]],
    depths: Sequence[Depth],
    seed: int,
) -> list[FilePair]:
    """Render scenes and write them as pairs; files of the same name are replaced.

    Args:
        directory: Made if it does not exist.
        count: How many scenes, at least 0.
        sizes: (height, width) in pixels; scenes take them in turn.
        depths: File formats; scenes take them in turn.
        seed: Of the first scene, at least 0; the others follow it by ones.

    Returns:
        The pairs, in the order of their seeds; a scene is named `scene_` and its seed.

    Raises:
        ValueError: If there are scenes but no sizes or no depths, or a size or seed is refused by
            `render`.
        InputError: If the folder or a file cannot be written.
    """
    if count and not (sizes and depths):
        raise ValueError(f"sizes = {sizes}, depths = {depths}: give at least one of each")
    directory = Path(directory)
    imageio.prepare_folder(directory)
    pairs = []
    for index in range(count):
        depth, (height, width) = depths[index % len(depths)], sizes[index % len(sizes)]
        scene = render(seed + index, height, width)
        name = f"scene_{seed + index:04d}"
        nir_path = directory / f"{name}_nir{depth.suffix}"
        rgb_path = directory / f"{name}_rgb{depth.suffix}"
        imageio.write(nir_path, quantize(scene.nir, depth.bits)[..., 0])
        imageio.write(rgb_path, quantize(scene.rgb, depth.bits))
        pairs.append(FilePair(name, nir_path, rgb_path))
    return pairs
