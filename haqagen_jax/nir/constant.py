"""The errors of an image without contrast, which whoever colors a sequence may want to catch."""

from haqagen_jax.errors import InputError


class ConstantError(InputError):
    """All pixels of an image have one value."""

    def __init__(self, count: int, value: float) -> None:
        """Word the message.

        Args:
            count: Number of the pixels, more than one.
            value: Their value.
        """
        super().__init__(
            f"all {count} pixels have the value {value:.9g}, which holds no picture; give an image "
            "with contrast"
        )
        self.value = value


class FlatError(InputError):
    """An image with contrast that has none between the percentiles asked for."""
