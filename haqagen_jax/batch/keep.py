"""What outputs take over from their inputs besides pixels, as the user chose, and what is said."""

from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from haqagen_jax.images.files import left_out
from haqagen_jax.images.header import Header
from haqagen_jax.images.metadata import EMPTY, Metadata, stated
from haqagen_jax.system.console import complain
from haqagen_jax.version import __version__

_STATEMENT = "HAQAGen-JAX {} (colors estimated from near infrared by the model {})"


class Keep(NamedTuple):
    """What outputs take over from their inputs besides pixels.

    Attributes:
        metadata: Keep metadata, and state what made the colors; else nothing but the sRGB profile.
        verbose: Name what cannot be kept, a line for each file.
    """

    metadata: bool = True
    verbose: bool = False

    def from_header(self, header: Header, target: Path, model: str, console: Console) -> Metadata:
        """Return the metadata of an output, and print what it goes without.

        Args:
            header: Of the input.
            target: The output; its extension chooses the format.
            model: Name of the model.
            console: Where lines are printed.

        Returns:
            The metadata.
        """
        if not self.metadata:
            return EMPTY
        for name in header.metadata.carried.dropped:
            complain(
                f"{header.path}: its tags of {name} are damaged; its colors go without them",
                console,
            )
        left = left_out(target, header.metadata) if self.verbose else ()
        if left:
            complain(f"{header.path}: its colors go without: {', '.join(left)}", console)
        return stated(header.metadata, _STATEMENT.format(__version__, model))
