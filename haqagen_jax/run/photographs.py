"""Make training pairs of color photographs: a network predicts the NIR image of each.

Photographs that teach nothing about color are named and left out.
"""

import functools
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float32
from PIL import Image, ImageOps

from haqagen_jax import artifact
from haqagen_jax.data.valid_area import largest_rectangle
from haqagen_jax.errors import InputError, reachable, reason
from haqagen_jax.images import files as image_files
from haqagen_jax.images.levels import quantize
from haqagen_jax.images.resize import Window, clamp_size, resize
from haqagen_jax.models.efficientnet import MULTIPLE
from haqagen_jax.models.factory import generator_shapes, make_generator
from haqagen_jax.system.console import bars, complain
from haqagen_jax.system.files import prepare_folder

LONGEST = 512  # pixels of a photograph's longer side; larger ones are reduced
SHORTEST = 64  # pixels of the shorter side; smaller photographs show too little
GRAYEST = 4 / 255  # mean range of a pixel's channels, below which a photograph has no color


class Unusable(InputError):  # noqa: N818 - nothing is wrong with the command
    """A photograph that is left out."""


class Made(NamedTuple):
    """What became of a folder of photographs.

    Attributes:
        pairs: Number of pairs in the output folder.
        left_out: A line for each photograph that was left out, with the reason.
    """

    pairs: int
    left_out: tuple[str, ...]


def make_pairs(
    photographs: str | Path, model: str | Path, out: str | Path, *, progress: bool = True
) -> Made:
    """Write a pair for each photograph of a folder; pairs that exist already are kept.

    Args:
        photographs: Folder of images that Pillow reads; sub-folders are ignored.
        model: Directory of a trained `haqagen_jax.models.color_prior.NirFromColor`.
        out: Folder for `train/NAME_nir.png` and `train/NAME_rgb.png`, 8 bits.
        progress: Show a bar.

    Returns:
        The number of pairs, and a line for each photograph that was left out: broken, gray,
        smaller than `SHORTEST`, or with the name of another.

    Raises:
        InputError: No such folder, no photograph that can be used, another kind of model, or a
            folder that cannot be written.
    """
    files, target = list_photographs(photographs), Path(out) / "train"
    predict = _predictor(Path(model))
    prepare_folder(target)
    left_out: list[str] = []
    pairs: dict[str, Path] = {}  # the photograph of each pair's name
    with bars(progress) as display:
        for path in display.track(files, description="photographs"):
            nir, rgb = (target / f"{path.stem}_{kind}.png" for kind in ("nir", "rgb"))
            try:
                if path.stem in pairs:
                    raise Unusable(
                        f"{path}: left out, as {pairs[path.stem].name} has its name; rename one"
                    )
                if not (nir.exists() and rgb.exists()):
                    color = read_photograph(path)
                    image_files.write(rgb, quantize(color, np.uint8))
                    image_files.write(nir, quantize(predict(color), np.uint8))
            except Unusable as error:
                complain(str(error), display.console)
                left_out.append(str(error))
            else:
                pairs[path.stem] = path
    if not pairs:
        raise InputError(_none_of(photographs, len(files)))
    return Made(len(pairs), tuple(left_out))


def list_photographs(folder: str | Path) -> list[Path]:
    """List the files of a folder of photographs.

    Args:
        folder: Folder of color photographs; sub-folders are ignored.

    Returns:
        At least one file, in the order of the names; the files are not opened.

    Raises:
        InputError: No such folder, one that cannot be listed, or one without files.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one with color photographs")
    with reachable():
        files = sorted(path for path in folder.iterdir() if path.is_file())
    if not files:
        raise InputError(f"{folder}: has no files; give a folder with color photographs")
    return files


def require_usable(files: Sequence[Path]) -> None:
    """Refuse photographs of which none can be used, and name those before the first that can.

    Args:
        files: What `list_photographs` returned.

    Raises:
        InputError: None is a color photograph that is large enough.
    """
    for path in files:
        try:
            read_photograph(path)
        except Unusable as error:
            complain(str(error))
        else:
            return
    raise InputError(_none_of(files[0].parent, len(files)))


def _none_of(folder: object, count: int) -> str:
    return (
        f"{folder}: none of its {count} files is a color photograph of at least {SHORTEST} pixels; "
        "give another folder"
    )


def read_photograph(path: Path) -> Float32[np.ndarray, "h w 3"]:
    """Read a color photograph.

    Args:
        path: A file in any format that Pillow reads.

    Returns:
        sRGB in [0, 1], upright, at most `LONGEST` pixels long; of a transparent one the largest
        part that can be seen.

    Raises:
        Unusable: It cannot be read, is tiny, or has no color.
    """
    try:
        # Pillow warns of odd tags, and of sizes that are large but not refused.
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            clear = upright.has_transparency_data
            samples = np.asarray(upright.convert("RGBA" if clear else "RGB"))
            pixels = samples[..., :3]
    except Exception as error:  # a damaged file can make a decoder raise anything
        raise Unusable(
            f"{path}: left out, as it cannot be read ({reason(error)}); convert it to PNG"
        ) from None
    if clear and (seen := samples[..., 3] > 0).any() and not seen.all():
        window = largest_rectangle(seen, min(SHORTEST, *seen.shape)) or Window(0, 0, 0, 0)
        top, left, height, width = window
        pixels = pixels[top : top + height, left : left + width]
    if min(pixels.shape[:2]) < SHORTEST:
        h, w, _ = pixels.shape
        few = f"{h}x{w} pixels are too few"
        raise Unusable(f"{path}: left out, as {few}; {SHORTEST} a side is the least")
    color = resize(pixels, clamp_size(pixels.shape[:2], LONGEST))
    spread = float((color.max(-1) - color.min(-1)).mean())
    if spread < GRAYEST:
        raise Unusable(f"{path}: left out, as it has no color; give color photographs")
    return color


def _predictor(directory: Path) -> Callable[[np.ndarray], Float32[np.ndarray, "h w"]]:
    config, variables = artifact.load(directory, generator_shapes)
    if config.model.architecture != "nir_from_color":
        raise InputError(
            f"{directory}: is a {config.model.architecture} model, which predicts no NIR; give one "
            "of configs/nir_from_color.py"
        )
    variables = jax.device_put(variables)
    apply: Any = jax.jit(functools.partial(make_generator(config.model).apply, variables))

    def predict(color: np.ndarray) -> Float32[np.ndarray, "h w"]:
        h, w, _ = color.shape
        padding = [(0, -h % MULTIPLE), (0, -w % MULTIPLE), (0, 0)]
        padded = np.pad(color, padding, mode="reflect")
        return np.asarray(apply(padded[None]).rgb[0, :h, :w, 0])

    return predict
