"""`haqagen demo`: color NIR images, and lay them beside their colors on a sheet.

Without an image of the user's own, three rendered scenes are colored, whose true colors are
known. Everything goes through the same engine as `haqagen colorize`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from haqagen_jax.batch.run import colorize_files
from haqagen_jax.batch.select import Rules, plan_outputs
from haqagen_jax.data.rendered import Depth, write_pairs
from haqagen_jax.images import files as image_files
from haqagen_jax.images.levels import quantize
from haqagen_jax.nir.preparation import prepare_nir

SIZES = ((480, 640), (683, 1024), (517, 333))
DEPTHS = (Depth.PNG_8, Depth.TIFF_16, Depth.PNG_16)
# This scene and the next two show a house, a road, trees and a lake.
SEED = 46

PANEL = (400, 300)  # the box that an image is shrunk into, width and height
GAP = 12
CAPTION = 26
_FONT_SIZE = 15
_PAPER, _INK = (250, 250, 248), (30, 30, 30)


class Row(NamedTuple):
    """One row of the sheet: images of one size, each with its caption."""

    captions: tuple[str, ...]
    images: tuple[UInt8[np.ndarray, "h w 3"], ...]


def demo(out: Path, *, image: Path | None = None, model: str | None = None) -> int:
    """Color rendered scenes, or one image of the user's own, and show the result.

    Args:
        out: Directory of everything that is written: `input` (rendered scenes), `output` (colored)
            and `sheet.png`. Made if it does not exist; files of an earlier run are replaced.
        image: File of a NIR image; None renders three scenes.
        model: See `haqagen_jax.load`.

    Returns:
        The exit status: 0, or 1 when an image could not be colored, which is a line on stderr.

    Raises:
        InputError: If a directory cannot be made or the model cannot be loaded.
    """
    if image is None:
        pairs = write_pairs(out / "input", count=len(SIZES), sizes=SIZES, depths=DEPTHS, seed=SEED)
        sources, truths = [pair.nir for pair in pairs], [pair.rgb for pair in pairs]
    else:
        sources, truths = [image], [None]
    status = colorize_files(
        [str(source) for source in sources],
        str(out / "output"),
        model,
        rules=Rules(overwrite=True, strict=True),
    )
    if status:
        return status
    jobs = [(source, _written(target)) for source, target in plan_outputs(sources, out / "output")]
    rows = [_row(*job, truth) for job, truth in zip(jobs, truths, strict=True)]
    sheet = out / "sheet.png"
    image_files.write(sheet, draw_sheet(rows))
    for _, target in jobs:
        print(f"colored: {target}")
    print(f"before and after: {sheet}")
    return 0


def draw_sheet(rows: Sequence[Row]) -> UInt8[np.ndarray, "h w 3"]:
    """Lay images out in rows, captions above them.

    Args:
        rows: At least one row; they may differ in the number of images.

    Returns:
        The sheet, uint8. Every image is shrunk (never enlarged) into a box of `PANEL`; boxes
        are `GAP` apart, each below a caption of height `CAPTION`, cut where it is too long.
    """
    columns = max(len(row.images) for row in rows)
    heights = [max(_shrunk(image)[1] for image in row.images) + CAPTION for row in rows]
    width = columns * (PANEL[0] + GAP) + GAP
    sheet = Image.new("RGB", (width, sum(heights) + GAP * (len(rows) + 1)), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT_SIZE)
    top = GAP
    for row, height in zip(rows, heights, strict=True):
        left = GAP
        for caption, image in zip(row.captions, row.images, strict=True):
            while draw.textlength(caption, font) > PANEL[0]:
                caption = caption[:-2] + "…"
            draw.text((left, top + 3), caption, fill=_INK, font=font)
            small = Image.fromarray(image).resize(_shrunk(image), Image.Resampling.LANCZOS)
            sheet.paste(small, (left, top + CAPTION))
            left += PANEL[0] + GAP
        top += height + GAP
    return np.asarray(sheet)


def _written(target: Path) -> Path:
    """Return the output as it was written: its container may differ from what was planned."""
    others = (target, *map(target.with_suffix, (".png", ".tif")))
    return next((path for path in others if path.exists()), target)


def _row(source: Path, target: Path, truth: Path | None) -> Row:
    """Read a NIR image, its predicted colors, and its true colors if they are known."""
    nir = image_files.read_nir(source)
    bits = 8 * nir.dtype.itemsize
    captions = [f"{source.name}: {nir.shape[1]} x {nir.shape[0]}, {bits} bit", "coloured"]
    gray = np.repeat(prepare_nir(nir, equalize=False), 3, axis=-1)
    images = [_display(gray), _display(image_files.read_rgb(target))]
    if truth is not None:
        captions.append("truth")
        images.append(_display(image_files.read_rgb(truth)))
    return Row(tuple(captions), tuple(images))


def _display(image: Float[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    return quantize(image, np.uint8)


def _shrunk(image: UInt8[np.ndarray, "h w 3"]) -> tuple[int, int]:
    """Return the width and height of an image inside the box, at least 1 x 1."""
    height, width = image.shape[:2]
    scale = min(1.0, PANEL[0] / width, PANEL[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))
