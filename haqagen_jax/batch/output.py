"""The output of a file once it is known what the file holds: in a container that can hold it."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from haqagen_jax.batch.naming import colored_name
from haqagen_jax.batch.report import Outcome
from haqagen_jax.errors import InputError
from haqagen_jax.images.files import can_hold, check_depth


class Outputs:
    """The names of all outputs, which stay apart when one of them changes."""

    def __init__(self, files: Sequence[Outcome], suffix: str | None) -> None:
        """Note the names that are taken.

        Args:
            files: All files of the run.
            suffix: The extension that the user wants of all; None: that of each input.
        """
        self._suffix = suffix
        self._owners = {os.path.realpath(file.output or ""): file.input for file in files}
        self._owners |= {os.path.realpath(file.input): file.input for file in files}

    def fitting(self, file: Outcome, dtype: np.dtype, pages: int) -> Path:
        """Choose the output of a file: the planned one, or its name with another extension.

        Args:
            file: The file; its `output` becomes what is returned.
            dtype: Of its colors: uint8, uint16 or float32.
            pages: The images that the output is to hold.

        Returns:
            The output; TIFF for several images and for floats, else PNG, where the planned
            extension cannot hold the colors.

        Raises:
            InputError: An extension that the user chose cannot hold them, or the new name is that
                of another file.
        """
        target, source = Path(file.output or ""), Path(file.input)
        is_tiff = target.suffix.lower() in (".tif", ".tiff")
        if can_hold(target.suffix, dtype) and (pages == 1 or is_tiff):
            return target
        if self._suffix is not None or target.name != colored_name(source):
            check_depth(target, dtype)
            raise InputError(f"{target}: {target.suffix} cannot hold {pages} images; name it .tif")
        new = target.with_name(
            colored_name(source, ".tif" if pages > 1 or dtype.kind == "f" else ".png")
        )
        owner = self._owners.setdefault(os.path.realpath(new), file.input)
        if owner != file.input:
            raise InputError(
                f"{source}: it and {owner} would both become {new}; color them into separate "
                "folders"
            )
        file.output = str(new)
        return new
