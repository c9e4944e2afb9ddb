"""Images of a training run: a sheet of validation samples and the curves of the losses.

Images come in as (b, h, w, c) in [0, 1], sRGB-encoded; what is outside is clipped, and NaN is drawn
black. Sheets are uint8 (h, w, 3). Not handled: samples of several sizes on one sheet.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jax import Array
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator
from PIL import Image, ImageDraw, ImageFont

from haqagen_jax.images import files as image_files
from haqagen_jax.ops.color import hsv_to_rgb

TITLES = ("NIR", "prediction", "HSV prediction", "truth")
_GAP = 6  # pixels between two images
_FONT = 16  # pixels
_COLUMNS = 3  # of the curves
_DECADES = 1000  # ratio of largest to smallest up to which 2 and 5 are marked too
_MARKED = 30  # points up to which each is marked
_SMOOTHED = 100  # points from which a curve also gets a running mean

AnyArray = Array | np.ndarray


def sample_sheet(
    nir: Float[AnyArray, "b h w 1"],
    rgb_pred: Float[AnyArray, "b h w 3"],
    hsv_pred: Float[AnyArray, "b h w 3"],
    rgb: Float[AnyArray, "b h w 3"],
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Draw samples under titles, a row each: NIR, prediction, HSV prediction, truth.

    Args:
        nir: Inputs, in [0, 1].
        rgb_pred: Predictions of G_A, sRGB-encoded.
        hsv_pred: Predictions of G_B, h, s and v in [0, 1]; converted to RGB for the sheet.
        rgb: Truth, sRGB-encoded.

    Returns:
        The sheet: images at their own size on a white background.
    """
    gray, color, hsv, truth = (_unit(image) for image in (nir, rgb_pred, hsv_pred, rgb))
    columns = (np.repeat(gray, 3, axis=-1), color, np.asarray(hsv_to_rgb(hsv)), truth)
    rows, h, w = gray.shape[:3]
    top = _GAP + _FONT + _GAP
    size = (_GAP + (w + _GAP) * len(columns), top + (h + _GAP) * rows)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_FONT)
    for column, (title, images) in enumerate(zip(TITLES, columns, strict=True)):
        left = _GAP + column * (w + _GAP)
        draw.text((left + w // 2, top // 2), title, fill="black", font=font, anchor="mm")
        for row, image in enumerate(np.rint(images * 255).astype(np.uint8)):
            sheet.paste(Image.fromarray(image), (left, top + row * (h + _GAP)))
    return np.asarray(sheet)


def loss_curves(history: Mapping[str, Sequence[tuple[int, float]]], path: str | Path) -> None:
    """Draw every term over the steps, one small diagram each, and write it as PNG.

    A term that is positive and spans more than a decade gets a logarithmic axis. Long terms are
    drawn faintly, with their running mean over a fiftieth of the run on top.

    Args:
        history: Term to (step, value), in order of the steps; values that are not finite are left
            out and counted in the diagram's title.
        path: Path of the PNG, which is replaced atomically.

    Raises:
        ValueError: No terms.
    """
    if not history:
        raise ValueError("history is empty: give at least one term with its (step, value) pairs")
    columns = min(_COLUMNS, len(history))
    rows = math.ceil(len(history) / columns)
    figure = Figure(figsize=(4.2 * columns, 2.7 * rows), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    last_step = max((step for points in history.values() for step, _ in points), default=1)
    for index, (term, points) in enumerate(history.items()):
        axes = figure.add_subplot(rows, columns, index + 1)
        axes.set_xlim(0, max(1, last_step) * 1.02)
        _curve(axes, term, points)
    canvas.draw()
    image_files.write(path, np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3]))


def _unit(image: AnyArray) -> np.ndarray:
    return np.clip(np.nan_to_num(np.asarray(image, np.float32)), 0.0, 1.0)


def _curve(axes: Axes, term: str, points: Sequence[tuple[int, float]]) -> None:
    steps, values = np.asarray(points, np.float64).reshape(-1, 2).T
    finite = np.isfinite(values)
    lost = int(values.size - finite.sum())
    steps, values = steps[finite], values[finite]
    long = values.size >= _SMOOTHED
    marker = "o" if values.size <= _MARKED else None
    alpha = 0.3 if long else 1.0
    axes.plot(steps, values, color="C0", linewidth=1, alpha=alpha, marker=marker, markersize=3)
    if long:
        width = values.size // 50
        kernel = np.full(width, 1 / width)
        middle = slice((width - 1) // 2, (width - 1) // 2 + values.size - width + 1)
        axes.plot(steps[middle], np.convolve(values, kernel, "valid"), color="C0", linewidth=1.5)
    if values.size and 0 < values.min() * 10 < values.max():
        axes.set_yscale("log")
        wide = values.max() / values.min() > _DECADES  # only the decades find room then
        axes.yaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
    last = f"  {values[-1]:.4g}" if values.size else ""
    axes.set_title(f"{term}{last}" + (f"  ({lost} not finite)" if lost else ""), fontsize=10)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
