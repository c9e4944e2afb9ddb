"""What a file of colors says besides its pixels, as one value on its way from header to writer.

PNG, JPEG and TIFF read and write it in modules of their own: `haqagen_jax.images.png`, `.jpeg` and
`.tiff_metadata`. Values are carried as the bytes they are. What a container cannot hold is left
out and named, as is what is damaged: neither costs the image.
"""

import dataclasses
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from haqagen_jax.images.density import Density, take_density, upright_density
from haqagen_jax.images.exif import SOFTWARE, Exif, read_block, with_tags
from haqagen_jax.images.ifd import ASCII, Tag
from haqagen_jax.images.tiff_tags import NOTHING, Carried

_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool={}/>'
    '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What a file of colors takes over from its NIR image, immutable.

    Attributes:
        exif: Camera, date, place; true of upright sRGB.
        xmp: The XMP packet.
        xmp_more: The extended XMP, as the segments of a JPEG hold it.
        density: The resolution.
        carried: The place on the ground and the resolution, as tags of a TIFF.
        gdal: GDAL's metadata, of a TIFF, without that of single bands.
        texts: Chunks of text of a PNG: kind and content.
        software: What wrote the colors, and that they are estimated.
        left: Names of what the file has and its colors do not.
    """

    exif: Exif | None = None
    xmp: bytes = b""
    xmp_more: tuple[bytes, ...] = ()
    density: Density | None = None
    carried: Carried = NOTHING
    gdal: bytes = b""
    texts: tuple[bytes, ...] = ()
    software: str = ""
    left: tuple[str, ...] = ()

    @property
    def of_tiff(self) -> tuple[str, ...]:
        """Names of what no other container can hold."""
        place = ("place on the ground",) if self.carried.georeferenced else ()
        return (*place, *(("GDAL metadata",) if self.gdal else ()))

    @property
    def complete_exif(self) -> Exif | None:
        """The EXIF with the resolution, as PNG and JPEG hold it."""
        if self.density is None:
            return self.exif
        order = self.exif.order if self.exif else "<"
        return with_tags(self.exif, self.density.tags(order))


EMPTY = Metadata()


def stated(metadata: Metadata, text: str) -> Metadata:
    """State what made the colors: as the software, and in XMP where there is no packet yet.

    Args:
        metadata: Of the NIR image.
        text: The statement; other characters than ASCII become question marks.

    Returns:
        The metadata of the colors.
    """
    plain = text.encode("ascii", "replace")
    return dataclasses.replace(
        metadata,
        exif=with_tags(metadata.exif, {SOFTWARE: Tag(ASCII, plain + b"\0")}),
        xmp=metadata.xmp or _PACKET.format(quoteattr(plain.decode())).encode(),
        software=plain.decode(),
    )


def of_blocks(block: bytes, xmp: bytes, size: tuple[int, int], orientation: int) -> Metadata:
    """Read the metadata of a file that holds no more than these two.

    Args:
        block: The EXIF block; empty if there is none.
        xmp: The XMP packet; empty if there is none.
        size: (h, w) of the upright image.
        orientation: By which the pixels were turned upright.

    Returns:
        What holds for the colors.
    """
    exif, density, left = None, None, []
    if block:
        try:
            exif, lost = read_block(block, size, turned=orientation != 1)
        except Exception:  # what is damaged fails in any way
            left.append("EXIF")
        else:
            exif, density = take_density(exif)
            density = upright_density(None, density, orientation)
            left += [f"EXIF {name}" for name in lost]
    if xmp and not is_xmp(xmp):
        xmp = b""
        left.append("XMP")
    return Metadata(exif, xmp, density=density, left=tuple(left))


def is_xmp(packet: bytes) -> bool:
    """Tell whether bytes are an XMP packet that a reader can parse.

    Args:
        packet: As it lies in a file, padding included.

    Returns:
        False for what is truncated, garbled, empty, or defines entities.
    """
    parser = expat.ParserCreate()
    parser.EntityDeclHandler = _refuse  # they multiply, and XMP has none
    try:
        parser.Parse(packet.rstrip(b"\0 \t\r\n"), True)
    except (expat.ExpatError, ValueError, LookupError):
        return False
    return True


def _refuse(*_: object) -> None:
    raise ValueError("an entity")
