"""The resolution of an image, in pixels per inch or centimeter, and its tags in EXIF."""

import struct
from typing import NamedTuple

from haqagen_jax.images.exif import RESOLUTION_UNIT, X_RESOLUTION, Y_RESOLUTION, Exif
from haqagen_jax.images.ifd import RATIONAL, SHORT, Tag

NO_UNIT, INCH, CENTIMETER = 1, 2, 3  # as TIFF and EXIF number them


class Density(NamedTuple):
    """The resolution of an image: two positive rationals and their unit.

    Attributes:
        x, y: Numerator and denominator, pixels per unit.
        unit: `INCH` or `CENTIMETER`; `NO_UNIT` where only their ratio means something.
    """

    x: tuple[int, int]
    y: tuple[int, int]
    unit: int

    @property
    def sound(self) -> bool:
        """Whether it means anything."""
        numbers = (*self.x, *self.y)
        squares = self.unit == NO_UNIT and self.x[0] * self.y[1] == self.x[1] * self.y[0]
        return all(number > 0 for number in numbers) and 1 <= self.unit <= 3 and not squares

    def per(self, unit: float) -> tuple[float, float]:
        """Return the pixels along a length.

        Args:
            unit: The length, centimeters.

        Returns:
            Across and down; as they are where there is no unit.
        """
        factor = {INCH: unit / 2.54, CENTIMETER: unit}.get(self.unit, 1.0)
        return self.x[0] / self.x[1] * factor, self.y[0] / self.y[1] * factor

    def tags(self, order: str) -> dict[int, Tag]:
        """Return the three tags of EXIF.

        Args:
            order: Byte order, "<" or ">".

        Returns:
            The tags by code.
        """
        return {
            X_RESOLUTION: Tag(RATIONAL, struct.pack(f"{order}II", *self.x)),
            Y_RESOLUTION: Tag(RATIONAL, struct.pack(f"{order}II", *self.y)),
            RESOLUTION_UNIT: Tag(SHORT, struct.pack(f"{order}H", self.unit)),
        }


def take_density(exif: Exif) -> tuple[Exif, Density | None]:
    """Take the resolution out of EXIF.

    Args:
        exif: As it was read.

    Returns:
        The EXIF without it; and the resolution, None where there is none or it means nothing.
    """
    codes = (X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT)
    x, y, unit = (_numbers(exif, code) for code in codes)
    rest = {code: tag for code, tag in exif.tags.items() if code not in codes}
    density = None
    if len(x) == len(y) == 2:
        density = Density(x, y, unit[0] if unit else INCH)  # pyright: ignore
    return exif._replace(tags=rest), density if density and density.sound else None


def upright_density(
    own: Density | None, from_exif: Density | None, orientation: int
) -> Density | None:
    """Choose between what a file says in two places, and turn it upright.

    Args:
        own: What the container says.
        from_exif: What EXIF says; it counts where the container gives no unit.
        orientation: By which the pixels were turned upright.

    Returns:
        The resolution of the upright image; None where there is none that means something.
    """
    sound = own if own and own.sound else None
    density = sound if sound and sound.unit != NO_UNIT else from_exif or sound
    if density and 5 <= orientation <= 8:
        return Density(density.y, density.x, density.unit)
    return density


def _numbers(exif: Exif, code: int) -> tuple[int, ...]:
    if (tag := exif.tags.get(code)) is None:
        return ()
    size, kind = {RATIONAL: (4, "I"), SHORT: (2, "H")}[tag.dtype]
    return struct.unpack(f"{exif.order}{len(tag.value) // size}{kind}", tag.value)
