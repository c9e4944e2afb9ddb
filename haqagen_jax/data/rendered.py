"""Write rendered scenes as files: `NAME_nir.EXT` and `NAME_rgb.EXT` in one folder.

NIR is written gray, RGB in color, both sRGB-encoded integers over the whole range of their type.
"""

from collections.abc import Sequence
from enum import Enum
from pathlib import Path

import numpy as np

from haqagen_jax.data.pair import FilePair
from haqagen_jax.images import files as image_files
from haqagen_jax.images.levels import quantize
from haqagen_jax.synthetic.scene import render
from haqagen_jax.system.files import prepare_folder


class Depth(Enum):
    """A file format with a type of pixels: the file's extension, and the type."""

    PNG_8 = (".png", np.uint8)
    PNG_16 = (".png", np.uint16)
    TIFF_16 = (".tif", np.uint16)

    @property
    def suffix(self) -> str:
        """The file's extension."""
        return self.value[0]

    @property
    def dtype(self) -> np.dtype:
        """The type of the pixels."""
        return np.dtype(self.value[1])


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
        directory: Directory to write to; it is created if it does not exist.
        count: Number of scenes, at least 0.
        sizes: (height, width) in pixels; scenes take them in turn.
        depths: File formats; scenes take them in turn.
        seed: Seed of the first scene, at least 0; the others follow it by ones.

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
    prepare_folder(directory)
    pairs = []
    for index in range(count):
        depth, (height, width) = depths[index % len(depths)], sizes[index % len(sizes)]
        scene = render(seed + index, height, width)
        name = f"scene_{seed + index:04d}"
        nir_path = directory / f"{name}_nir{depth.suffix}"
        rgb_path = directory / f"{name}_rgb{depth.suffix}"
        image_files.write(nir_path, quantize(scene.nir, depth.dtype)[..., 0])
        image_files.write(rgb_path, quantize(scene.rgb, depth.dtype))
        pairs.append(FilePair(name, nir_path, rgb_path))
    return pairs
