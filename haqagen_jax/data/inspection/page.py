"""Report an inspection: text for a terminal, and one self-contained HTML page."""

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import matplotlib as mpl
import numpy as np
from jaxtyping import Real
from matplotlib.figure import Figure

from haqagen_jax.data.inspection.measure import BINS, THUMBNAIL, PairMeasure
from haqagen_jax.data.split import SPLITS
from haqagen_jax.images.data_uri import data_uri, jpeg
from haqagen_jax.images.levels import from_levels, quantize
from haqagen_jax.nir.preparation import to_unit
from haqagen_jax.system.files import write_bytes

CROPPED = "cropped to the part where both images hold data"
LOOSE = 1.0  # pixels of shift from which on a pair is badly registered
Row = dict[str, Any]


class Findings(NamedTuple):
    """What is to be known of single pairs.

    Attributes:
        faults: A line for each fault.
        cuts: A line for each pair that is cropped to the part where both images hold data.
        couples: Pairs of two splits that look alike.
    """

    faults: Sequence[str]
    cuts: Sequence[str]
    couples: Sequence[tuple[PairMeasure, PairMeasure]]


def summary(measures: Sequence[PairMeasure]) -> list[Row]:
    """Summarize each split.

    Args:
        measures: Measurements of all pairs.

    Returns:
        A row a split that has pairs: counts, sizes, depths, median and 90th percentile of the
        shift, and how many pairs are shifted by a pixel or more.
    """
    rows = []
    for split in SPLITS:
        members = [pair for pair in measures if pair.split == split]
        if not members:
            continue
        shifts = np.array([pair.shift for pair in members])
        rows.append(
            {
                "split": split,
                "pairs": len(members),
                "sizes": _most_frequent(f"{w}x{h}" for h, w in (pair.size for pair in members)),
                "depths": _most_frequent(pair.depths for pair in members),
                "shift": f"{np.median(shifts):.2f} / {np.percentile(shifts, 90):.2f}",
                "loose": int((shifts >= LOOSE).sum()),
            }
        )
    return rows


def text(measures: Sequence[PairMeasure], findings: Findings) -> str:
    """Format the report for a terminal.

    Args:
        measures: Measurements of all readable pairs.
        findings: What is to be known of single pairs.

    Returns:
        A table of the splits, the faults, the cropped pairs and the couples, as lines.
    """
    head = (
        "split",
        "pairs",
        "sizes",
        "NIR, RGB depth",
        "shift px (median / 90 %)",
        f">= {LOOSE:g} px",
    )
    table = [head, *(tuple(str(value) for value in row.values()) for row in summary(measures))]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    lines = ["  ".join(f"{x:{w}}" for x, w in zip(row, widths, strict=True)) for row in table]
    lines += ["", f"{len(findings.faults)} faults", *(f"  {fault}" for fault in findings.faults)]
    if findings.cuts:
        lines += [f"{len(findings.cuts)} {CROPPED}", *(f"  {cut}" for cut in findings.cuts)]
    lines += [f"{len(findings.couples)} look-alikes across splits"]
    lines += [f"  {a.split}/{a.name} and {b.split}/{b.name}" for a, b in findings.couples]
    return "\n".join(line.rstrip() for line in lines)


def thumbnail(nir: Real[np.ndarray, "h w"], rgb: Real[np.ndarray, "h w 3"]) -> str:
    """Draw a thumbnail of a pair, NIR beside color.

    Args:
        nir: NIR image of any type and range; shown from its minimum to its maximum.
        rgb: Color image, uint8, uint16 or floats in [0, 1].

    Returns:
        A JPEG as a data URI.
    """
    gray = np.repeat(to_unit(nir)[..., None], 3, -1)
    both = np.concatenate([gray, from_levels(rgb)], axis=1)
    return jpeg(quantize(both, np.uint8), (2 * THUMBNAIL, THUMBNAIL))


def write(
    path: Path,
    directory: str,
    measures: Sequence[PairMeasure],
    findings: Findings,
    thumbnails: Sequence[str],
) -> None:
    """Write the page. Atomic: it appears when it is complete.

    Args:
        path: Path of the HTML file.
        directory: The data set, as it is shown.
        measures: Measurements of all readable pairs.
        findings: What is to be known of single pairs.
        thumbnails: Data URIs, one for each of `measures`.

    Raises:
        InputError: The file cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    html = environment.get_template("page.html").render(
        directory=directory,
        rows=summary(measures),
        **findings._asdict(),
        cropped=CROPPED,
        loose=LOOSE,
        histograms=_histograms(measures) if measures else None,
        pairs=list(zip(measures, thumbnails, strict=True)),
    )
    write_bytes(path, html.encode())


def _histograms(measures: Sequence[PairMeasure]) -> str:
    """Draw the shares of gray levels over all pairs as an SVG image, for a data URI."""
    nir = sum(pair.nir_histogram / pair.nir_histogram.sum() for pair in measures)
    rgb = sum(pair.rgb_histogram / pair.rgb_histogram[0].sum() for pair in measures)
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    levels = (np.arange(BINS) + 0.5) / BINS
    left, right = figure.subplots(1, 2)
    left.plot(levels, np.asarray(nir) / len(measures), color="black")
    left.set_title("NIR, each from its minimum to its maximum", fontsize=9)
    for line, color in zip(np.asarray(rgb) / len(measures), ("red", "green", "blue"), strict=True):
        right.plot(levels, line, color=color)
    right.set_title("R, G, B", fontsize=9)
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "haqagen"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return data_uri(buffer.getvalue(), "image/svg+xml")


def _most_frequent(values: Iterable[str]) -> str:
    """Join the three most frequent values, with their counts."""
    counts = Counter(values)
    shown = [f"{value} ({count})" for value, count in counts.most_common(3)]
    return ", ".join(shown) + (f", {len(counts) - 3} more" if len(counts) > 3 else "")
