"""The paper's four data sets: what they are, where they come from, how they lie on disk.

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
    """One data set as its authors publish it."""

    name: str
    title: str
    kind: str
    counts: dict[str, int]  # pairs, by split
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
        """How many pairs the set has."""
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
    """Describe the sets for a terminal.

    Returns:
        A paragraph for each.
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
    """Find a set's pairs below the directory that it was unpacked into.

    Args:
        published: the set.
        raw: any directory above its files.

    Returns:
        Its pairs and what is wrong with the others.

    Raises:
        InputError: no such directory, or none of the set's files in it.
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
        published: the set.
        judged: What there is of it.
        raw: where, for the message.

    Raises:
        InputError: another number of pairs than Table 1 has.
    """
    there = len(judged.pairs) + len(judged.problems)
    if there == published.pairs:
        return
    seen = {part for pair in judged.pairs for part in pair.nir.parts}
    missing = [name for name in published.names if name not in seen]
    lacks = f" (no {', '.join(missing)})" if missing else ""
    raise InputError(
        f"{raw}: holds {there} of the {published.pairs} pairs of {published.name}{lacks}; unpack "
        "all of it, or give --partial to build what is there"
    )


def split(
    published: PublishedSet, pairs: Sequence[FilePair], raw: str | Path
) -> dict[str, list[FilePair]]:
    """Split a set into Table 1's counts, scene by scene.

    Pairs in folders of official splits are where they belong; where such a folder holds fewer than
    Table 1 has, others join them, and where it holds more, the rest joins the others.

    Args:
        published: the set.
        pairs: all of its pairs, or some; then the splits keep their shares.
        raw: the directory that they were found below.

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
        place = path.relative_to(raw)
        for band, pattern in patterns.items():
            match = pattern.fullmatch(place.as_posix())
            if match:
                parts = [group for group in match.groups() if group]
                # Official splits number their images each by itself.
                parts[:0] = [
                    folder
                    for folder in place.parts[:-1]
                    if split_of_folder(folder) and folder not in parts[0].split("/")
                ]
                name = "_".join(parts).replace("/", "_")
                scene = _recording(place) if published.recordings else ""
                halves.append(Half(name, band, path, scene))
    if len({half.scene for half in halves}) == 1:  # one folder for everything
        return [half._replace(scene="") for half in halves]
    return halves


def _recording(place: Path) -> str:
    """The folder of a file, without those that stand for a band or a split."""
    folders = place.parts[:-1]
    bands = {"nir", "rgb", "vis"}
    return "/".join(f for f in folders if f.lower() not in bands and not split_of_folder(f))
