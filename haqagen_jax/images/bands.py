"""The bands of an image: their names, the one that is near infrared, and gray of three colors."""

import dataclasses
import re
import xml.etree.ElementTree as ET

import numpy as np
import tifffile
from jaxtyping import Real

from haqagen_jax.errors import InputError
from haqagen_jax.images import nodata

GRAYS = ("luma", "red", "max")
ALPHA = "alpha"
ASSOCIATED = 1  # in the tag ExtraSamples: an alpha that the other samples are multiplied by
RGB = ("red", "green", "blue")
_NAMES = {1: ("gray",), 2: ("gray", ALPHA), 3: RGB, 4: (*RGB, ALPHA)}
_GDAL_METADATA = 42112
_MODEL, _XMP = 272, 700
_LUMA = (0.299, 0.587, 0.114)  # of ITU-R BT.601
# A frame of a NIR camera may be tinted a little, and carry a colored time stamp. Of 1,238 color
# photographs looked at, the grayest has 6.3 % of pixels beyond this spread, half have over 80 %.
_SPREAD = 8 / 255  # of the full scale, between a pixel's largest and smallest channel
_SHARE = 0.06
_BRIGHT = 99.9  # percentile of the pixels that counts as white
# The filter's letters of a MAPIR camera name its channels in order.
_MAPIR = {"R": "red", "G": "green", "B": "blue", "N": "nir", "O": "orange", "C": "cyan"}


@dataclasses.dataclass(frozen=True)
class Choice:
    """Which image of a file, and which band of it, is the near-infrared one.

    Attributes:
        band: A number from 1, or a name, as "nir" or "red"; None: the only one there is.
        gray: How a color image becomes gray, one of `GRAYS`; None: only one that is gray already
            is taken.
        page: A number from 1, or "all"; None: the only image there is.

    Raises:
        InputError: Another kind of gray, a band or page below 1, or both band and gray.
    """

    band: str | None = None
    gray: str | None = None
    page: str | None = None

    def __post_init__(self) -> None:
        if self.gray is not None and self.gray not in GRAYS:
            raise InputError(f"gray = {self.gray!r}: must be one of {', '.join(GRAYS)}")
        if self.gray is not None and self.band is not None:
            raise InputError("--band and --gray: give one, a band is gray already")
        if self.band is not None and re.fullmatch(r"[-+]?\d+", self.band) and int(self.band) < 1:
            raise InputError(f"band = {self.band}: bands are numbered from 1")
        page = self.page or "0"
        if self.page not in (None, "all") and not (
            page.isascii() and page.isdecimal() and int(page)
        ):
            raise InputError(f"page = {page!r}: must be a number from 1, or all")

    @property
    def number(self) -> int | None:
        """The image of a file that is meant, from 1; None for the only one, or all of them."""
        return None if self.page is None or self.page == "all" else int(self.page)

    @property
    def first(self) -> int | None:
        """The first image of a file that is meant, from 1; None for the only one."""
        return 1 if self.page == "all" else self.number


def tiff_names(page: tifffile.TiffPage) -> tuple[str, ...]:
    """Name the samples of a TIFF.

    Args:
        page: The image.

    Returns:
        A name in lower case for each sample, "" for one that the file says nothing of. `ALPHA` is
        only what the file calls so.
    """
    count = page.samplesperpixel
    color = page.photometric in (2, 3, 6)
    names = list(RGB if color else ("gray",) if count == 1 else ())[:count]
    names += [""] * (count - len(names))
    extra = tuple(page.extrasamples)
    for i, kind in enumerate(extra[:count]):
        if kind in (ASSOCIATED, 2):
            names[count - len(extra[:count]) + i] = ALPHA
    if not color and names[1:] == [ALPHA]:
        names[0] = "gray"
    for i, name in enumerate(_described(page, count)):
        names[i] = name or names[i]
    if count == 1 and (name := _in_xmp(page)):
        names = [name]
    return mapir_names(str(page.tags.valueof(_MODEL, default="")), tuple(names))


def names_of(count: int) -> tuple[str, ...]:
    """Name the samples of a pixel by their number, as those of a PNG.

    Args:
        count: Samples of a pixel.

    Returns:
        Gray or RGB, perhaps with alpha; "" for each of five and more.
    """
    return _NAMES.get(count, ("",) * count)


def mapir_names(model: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Name the channels of a color image by the filter of a MAPIR camera.

    Args:
        model: The camera's model, as "Survey3W_RGN".
        names: What they are called without it.

    Returns:
        Red, green and NIR for RGN, and so on; `names` for other cameras.
    """
    found = re.search(r"survey\w*?_([RGBNOC]{3})\b", model, re.IGNORECASE)
    if found is None or names[:3] != RGB:
        return names
    return *(_MAPIR[letter] for letter in found[1].upper()), *names[3:]


def listed(names: tuple[str, ...]) -> str:
    """List bands for a message.

    Args:
        names: Of all samples.

    Returns:
        As "1 red, 2 green, 3 blue, 4".
    """
    return ", ".join(f"{i} {name}".rstrip() for i, name in enumerate(names, 1))


def only_band(names: tuple[str, ...]) -> int | None:
    """Find the only band beside alpha.

    Args:
        names: Of all samples.

    Returns:
        Its index; None where there are several.
    """
    bands = [i for i, name in enumerate(names) if name != ALPHA]
    return bands[0] if len(bands) == 1 else None


def chosen_band(names: tuple[str, ...], band: str) -> int:
    """Find a band by number or name.

    Args:
        names: Of all samples.
        band: A number from 1, or a name in any case.

    Returns:
        Its index.

    Raises:
        InputError: There is none, or several have the name. The message does not name the file.
    """
    if re.fullmatch(r"\+?[0-9]{1,9}", band):
        index = int(band) - 1
        if index >= len(names):
            raise InputError(
                f"has no band {band}; it has {len(names)}: {listed(names)}; give --band one of them"
            )
        return index
    matches = [i for i, name in enumerate(names) if name == band.lower()]
    matches = matches or [i for i, name in enumerate(names) if _is_nir(band) and _is_nir(name)]
    if not matches and _is_nir(band) and names == (*RGB, ""):
        return 3  # the order of aerial images with four bands, as NAIP's
    if not matches and names == ("gray",):
        return 0  # a band of its own, which says of itself nothing else
    if len(matches) != 1:
        found = "no band" if not matches else f"{len(matches)} bands"
        raise InputError(
            f"has {found} called {band!r}; its bands are {listed(names)}; give --band a number"
        )
    return matches[0]


def to_gray(pixels: Real[np.ndarray, "h w 3"], gray: str) -> Real[np.ndarray, "h w"]:
    """Make gray of three channels.

    Args:
        pixels: Red, green and blue, plain or masked.
        gray: One of `GRAYS`.

    Returns:
        (h, w) of the same type; a pixel is masked where one of its channels is.
    """
    data, missing = np.ma.getdata(pixels), np.asarray(np.ma.getmaskarray(pixels).any(-1))
    if gray == "red":
        image = data[..., 0]
    elif gray == "max":
        image = data.max(-1)
    else:
        image = np.zeros(data.shape[:2], np.float64)
        for channel, weight in enumerate(_LUMA):
            image += weight * data[..., channel]
        image = (image if data.dtype.kind == "f" else np.rint(image)).astype(data.dtype)
    return nodata.mask(image, None, missing)


def require_gray(pixels: Real[np.ndarray, "h w 3"]) -> None:
    """Refuse a color photograph, but not gray with a cast, noise or a colored time stamp.

    Args:
        pixels: Three channels, plain or masked.

    Raises:
        InputError: More than 6 % of its pixels are colored. The message does not name the file.
    """
    data = np.ma.getdata(pixels)[~np.ma.getmaskarray(pixels).any(-1)]
    if not data.size:
        return
    brightest = np.abs(data).max(-1)
    with np.errstate(over="ignore"):  # of the extremes of float64
        spread = data.max(-1).astype(np.float64) - data.min(-1)
    # The brightest pixels may be stuck ones; 8 bits have a scale of their own.
    full = 255.0 if data.dtype == np.uint8 else float(np.percentile(brightest, _BRIGHT))
    colored = np.count_nonzero(spread > _SPREAD * full) / len(data)
    if colored > _SHARE:
        raise InputError(
            f"is a color photograph ({100 * colored:.3g} % of its pixels are colored; its "
            f"channels differ by up to {spread.max():.3g}, {spread.mean():.3g} on average, of "
            f"{full:.5g}); give a near-infrared image, or if this is one say what to take of it: "
            "--gray luma, or --band N"
        )


def _described(page: tifffile.TiffPage, count: int) -> list[str]:
    """Return what GDAL's metadata calls each band, "" where it says nothing."""
    names = [""] * count
    text = page.tags.valueof(_GDAL_METADATA, default="")
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    try:
        items = list(ET.fromstring(text.strip("\0 \r\n\t")).iter("Item"))
    except (ET.ParseError, ValueError, LookupError):  # what cannot be read names nothing
        return names
    for role in ("COLORINTERP", "DESCRIPTION"):  # the description counts more
        for item in items:
            sample, name = item.get("sample", ""), (item.text or "").strip().lower()
            known = item.get("name", "").upper() == role and re.fullmatch("[0-9]{1,9}", sample)
            if known and int(sample) < count and name not in ("", "undefined", "gray", "grey"):
                names[int(sample)] = name
    return names


def _in_xmp(page: tifffile.TiffPage) -> str:
    """Return the name that MicaSense and others give to the band of a camera's own file."""
    text = page.tags.valueof(_XMP, default=b"")
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    found = re.search(r"BandName(?:>|\s*=\s*[\"'])\s*(?:<[^>]*>\s*)*([^<\"']+)", text)
    return found[1].strip().lower() if found else ""


def _is_nir(name: str) -> bool:
    words = r"(nir\d*|near[ _-]?infra[ _-]?red)"  # not the end of "swir", nor of "lwir"
    found = re.search(rf"(?<![a-z]){words}(?![a-z])|^infra[ _-]?red$", name.lower())
    return found is not None
