"""Catalog of the paper's four data sets: contents, sources, and the layout of their files.

Counts and splits are those of the paper's Table 1. None of the sets states a license with its
copies unless it says so below; none may be shipped.
"""

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from haqagen_jax.data import layouts, pairing
from haqagen_jax.data.half import Half, require_text
from haqagen_jax.data.pair import FilePair
from haqagen_jax.data.pairing import Judged
from haqagen_jax.data.split import SPLITS, share_out, split_of_folder
from haqagen_jax.errors import InputError


class PublishedSet(NamedTuple):
    """A data set as its authors publish it."""

    name: str
    title: str
    kind: str
    counts: dict[str, int]  # number of pairs by split
    size: str
    bits: int
    year: int
    license: str
    source: str
    unpack: str  # what goes where below the raw directory
    nir: str  # regular expressions of the path below the raw directory; their groups, joined by _,
    rgb: str  # are the pair's name
    names: tuple[str, ...] = ()  # folders that a whole copy has
    recordings: bool = False  # whether a folder holds many images of one scene

    @property
    def pairs(self) -> int:
        """Number of pairs of the whole set."""
        return sum(self.counts.values())


_UNSTATED = "none stated; ask the authors before anything but research"

VCIP2020 = PublishedSet(
    name="vcip2020",
    title="VCIP 2020 Grand Challenge on NIR Image Colorization",
    kind="indoor and outdoor patches",
    counts={"train": 320, "val": 40, "test": 40},
    size="256x256",
    bits=8,
    year=2020,
    license="open research and education, within the challenge's terms",
    source="https://jchenhkg.github.io/projects/NIR2RGB_VCIP_Challenge/",
    unpack="NIR_VCIP_Challenge_dataset: NIR/ and RGB-Registered/, Validation/, Testing/ "
    "(X_nir.png or X_nir_reg.png with X_rgb_reg.png); RGB-Online/ is not used",
    nir=r"(?:.*/)?([^/]+)_nir(?:_reg)?\.png",
    rgb=r"(?:.*/)?([^/]+)_rgb(?:_reg)?\.png",
)
FANVID = PublishedSet(
    name="fanvid",
    title="FANVID",
    kind="faces and urban scenes, 700 to 800 nm",
    counts={"train": 4100, "val": 514, "test": 530},
    size="2048x1536",
    bits=8,
    year=2024,
    license=_UNSTATED,
    source="on request from its authors (the paper's reference [9])",
    unpack="nir/ and rgb/ (or NIR/ and RGB/, VIS/) with equal file names, or X_nir and X_rgb; "
    "where there are several folders of them, each is taken for one recording, and kept together",
    nir=r"(?:(.*)/)?nir/(.+?)(?:_nir)?\.(?:png|jpe?g|tiff?)|(.+)_nir\.(?:png|jpe?g|tiff?)",
    rgb=r"(?:(.*)/)?(?:rgb|vis)/(.+?)(?:_rgb|_vis)?\.(?:png|jpe?g|tiff?)"
    r"|(.+)_(?:rgb|vis)\.(?:png|jpe?g|tiff?)",
    recordings=True,
)
OMSIV = PublishedSet(
    name="omsiv",
    title="Outdoor Multi-Spectral Images with Vegetation",
    kind="outdoor, single sensor",
    counts={"train": 426, "val": 53, "test": 53},
    size="580x320",
    bits=8,
    year=2017,
    license=_UNSTATED,
    source="https://github.com/xavysp/ssmid-dataset",
    unpack="its MATLAB file exported as images: nir/ and rgb/ with equal file names, or X_nir and "
    "X_rgb",
    nir=FANVID.nir,
    rgb=FANVID.rgb,
)
RGB2NIR = PublishedSet(
    name="rgb2nir",
    title="RGB-NIR Scene Dataset (EPFL)",
    kind="nine categories of scenes",
    counts={"train": 382, "val": 48, "test": 47},
    size="up to 1024x768",
    bits=16,
    year=2011,
    license=_UNSTATED,
    source="https://www.epfl.ch/labs/ivrl/research/downloads/rgb-nir-scene-dataset/",
    unpack="nirscene1: a folder a category with NNNN_nir.tiff and NNNN_rgb.tiff",
    nir=r"(?:.*/)?([a-z]+)/(\d{4})_nir\.tiff?",
    rgb=r"(?:.*/)?([a-z]+)/(\d{4})_rgb\.tiff?",
    names=(
        *("country", "field", "forest", "indoor", "mountain"),
        *("oldbuilding", "street", "urban", "water"),
    ),
)
SETS = {published.name: published for published in (VCIP2020, FANVID, OMSIV, RGB2NIR)}


def text() -> str:
    """Describe all sets for a terminal.

    Returns:
        A paragraph for each set.
    """
    return "\n\n".join(_paragraph(published) for published in SETS.values())


def _paragraph(published: PublishedSet) -> str:
    counts = " / ".join(f"{published.counts[split]:,}" for split in SPLITS)
    rows = {
        "what": f"{published.kind}, {published.year}",
        "pairs": f"{published.pairs:,} ({counts} train / val / test)",
        "size": f"{published.size}, {published.bits} bit",
        "licence": published.license,
        "from": published.source,
        "unpack": published.unpack,
        "build": f"haqagen dataset build {published.name} --raw DIR --out DIR",
    }
    lines = (
        textwrap.fill(value, 100, initial_indent=f"  {key:9}", subsequent_indent=" " * 11)
        for key, value in rows.items()
    )
    return "\n".join([f"{published.name}: {published.title}", *lines])


def find(published: PublishedSet, raw: str | Path) -> Judged:
    """Find and judge the pairs of a set below the directory that it was unpacked into.

    Args:
        published: The set.
        raw: Any directory above its files.

    Returns:
        The sound pairs, and a problem for each of the others.

    Raises:
        InputError: No such directory, or none of the set's files in it.
    """
    raw = Path(raw)
    if not raw.is_dir():
        raise InputError(f"{raw}: is no directory; unpack {published.name} there and give it")
    halves = _halves(published, raw)
    if not halves:
        raise InputError(
            f"{raw}: holds nothing of {published.name}; unpack there: {published.unpack}"
        )
    require_text(halves)
    return pairing.pair_up(halves)


def require_whole(published: PublishedSet, judged: Judged, raw: str | Path) -> None:
    """Refuse a set that is only partly unpacked.

    Args:
        published: The set.
        judged: The pairs of it that were found.
        raw: The directory that they were found below, for the message.

    Raises:
        InputError: Another number of pairs than Table 1 has.
    """
    count = len(judged.pairs) + len(judged.problems)
    if count == published.pairs:
        return
    folders = {part for pair in judged.pairs for part in pair.nir.parts}
    missing = [name for name in published.names if name not in folders]
    lacks = f" (no {', '.join(missing)})" if missing else ""
    raise InputError(
        f"{raw}: holds {count} of the {published.pairs} pairs of {published.name}{lacks}; unpack "
        "all of it, or give --partial to build what is there"
    )


def split(
    published: PublishedSet, pairs: Sequence[FilePair], raw: str | Path
) -> dict[str, list[FilePair]]:
    """Split the pairs of a set into the counts of Table 1, scene by scene.

    Pairs in a folder of an official split go to that split. Where there are fewer of them than in
    Table 1, others are added, and where there are more, the rest goes to the other splits.

    Args:
        published: The set.
        pairs: All of its pairs, or some, which are divided in the same proportions.
        raw: The directory that they were found below.

    Returns:
        Pairs by split.

    Reference: Sec. 4, "Datasets": official splits, or 80/10/10 without scene overlap.
    """
    official = {
        pair.scene: name
        for pair in pairs
        for folder in pair.nir.relative_to(raw).parts[:-1]
        if (name := split_of_folder(folder)) is not None
    }
    return share_out(pairs, published.counts, official)


def _halves(published: PublishedSet, raw: Path) -> list[Half]:
    patterns = {"nir": re.compile(published.nir, re.I), "rgb": re.compile(published.rgb, re.I)}
    halves = []
    for path in layouts.files_below(raw):
        relative = path.relative_to(raw)
        for band, pattern in patterns.items():
            match = pattern.fullmatch(relative.as_posix())
            if match:
                parts = [group for group in match.groups() if group]
                # Each official split numbers its images from the start: without the folder of the
                # split two pairs would have one name.
                parts[:0] = [
                    folder
                    for folder in relative.parts[:-1]
                    if split_of_folder(folder) and folder not in parts[0].split("/")
                ]
                name = "_".join(parts).replace("/", "_")
                scene = _recording(relative) if published.recordings else ""
                halves.append(Half(name, band, path, scene))
    if len({half.scene for half in halves}) == 1:  # one folder for all tells no scenes apart
        return [half._replace(scene="") for half in halves]
    return halves


def _recording(path: Path) -> str:
    """Return the folders that a file is in, without those that stand for a band or a split."""
    folders = path.parts[:-1]
    bands = {"nir", "rgb", "vis"}
    return "/".join(f for f in folders if f.lower() not in bands and not split_of_folder(f))
