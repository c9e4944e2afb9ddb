"""A model directory: `config.json` says what it is, `model.safetensors` holds its tensors.

Tensor names are the path in the Flax variables, joined by "/": `params/rgb_branch/...`,
`batch_stats/...`, `spectral/...`. Parameters may be stored as float16; everything is loaded as
float32. No code is stored and none is executed on loading. Not handled: optimizer state (see
the checkpoints of `haqagen_jax.train`).
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as to_bytes

from haqagen_jax.config.model_place import CONFIG_FILE, problem
from haqagen_jax.config.schema import Config, ModelConfig
from haqagen_jax.errors import InputError, located, reason
from haqagen_jax.system import strict_json
from haqagen_jax.system.files import write_bytes
from haqagen_jax.version import __version__

FORMAT = "haqagen-jax-model"
FORMAT_VERSION = 2
TENSOR_FILE = "model.safetensors"

Variables = dict[str, Any]  # nested: collection, module, ..., tensor name -> array


def save(
    directory: str | Path,
    config: Config,
    variables: Mapping[str, Any],
    *,
    dtype: str = "float16",
    training: Mapping[str, Any] | None = None,
) -> None:
    """Write a model directory; atomic: a reader never sees half of it.

    Args:
        directory: The directory; an existing model is replaced, anything else is refused.
        config: The configuration that the network is built from.
        variables: Flax variables of the generator, with the collection "params".
        dtype: Type of stored parameters, "float16" or "float32"; other collections stay float32.
        training: Facts for the reader (data, command, steps, scores), JSON values only.

    Raises:
        InputError: The directory holds something else, an unknown dtype, or a tensor that is not
            finite in it.
    """
    directory = Path(directory)
    if dtype not in ("float16", "float32"):
        raise InputError(f"dtype = {dtype!r}: must be float16 or float32")
    if directory.exists() and not (directory / CONFIG_FILE).is_file():
        raise InputError(f"{directory}: exists and is not a model directory; choose another name")
    tensors = {name: _stored(name, t, dtype) for name, t in flatten(variables).items()}
    description = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "config": config.to_dict(),
        "training": dict(training or {}),
    }
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{directory.name}.", dir=directory.parent, ignore_cleanup_errors=True
    ) as scratch:
        new = Path(scratch, "new")  # the scratch itself is for its owner only, this for everybody
        new.mkdir()
        write_files(new, description, tensors)
        _swap(new, directory)


def write_files(
    directory: Path, description: Mapping[str, Any], tensors: Mapping[str, np.ndarray]
) -> None:
    """Write the two files of a model, the description last; each is an atomic write.

    Args:
        directory: An existing directory.
        description: Content of `config.json`, JSON values only; the package's version is added.
        tensors: The tensors by name, each C-contiguous.

    Raises:
        InputError: A tensor that is not finite, or a file that cannot be written.
        ValueError: A number of the description that is not finite.
    """
    require_finite(tensors, directory / TENSOR_FILE, "it is not saved; train again")
    description = {**description, "package_version": __version__}
    text = strict_json.dumps(description, indent=2, sort_keys=True) + "\n"
    # The library's own writing to a file would leave it readable by nobody else.
    write_bytes(directory / TENSOR_FILE, to_bytes(dict(tensors)))
    write_bytes(directory / CONFIG_FILE, text.encode())


def require_finite(tensors: Mapping[str, np.ndarray], path: Path, remedy: str) -> None:
    """Refuse tensors with NaN or infinity.

    Args:
        tensors: The tensors by name.
        path: Their file, for the message.
        remedy: What the message advises.

    Raises:
        InputError: The first tensor that is not finite.
    """
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise InputError(f"{path}: tensor {name} has values that are not finite; {remedy}")


def load(
    directory: str | Path, shapes: Callable[[ModelConfig], Mapping[str, Any]] | None = None
) -> tuple[Config, Variables]:
    """Read a model directory.

    Args:
        directory: Written by `save`.
        shapes: Returns the variables that `check` expects of a configuration's network, as
            `haqagen_jax.models.factory.generator_shapes` does. None: nothing is checked.

    Returns:
        The configuration, and the variables as nested dicts of float32 numpy arrays.

    Raises:
        InputError: No model there, another format or version, a bad configuration, a damaged
            tensor file, a tensor that is not finite, or tensors that `check` refuses.
    """
    directory = Path(directory)
    description = _describe(directory)
    with located(directory / CONFIG_FILE):
        config = Config.from_dict(description["config"])
    path = directory / TENSOR_FILE
    if not path.is_file():
        raise InputError(f"{path}: no such file; copy the model again")
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: cannot be read ({reason(error)}); copy the model again"
        ) from None
    with np.errstate(over="ignore"):  # reported below, by name
        tensors = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
    require_finite(tensors, path, "copy the model again, or train another")
    with located(path):
        variables = unflatten(tensors)
    if shapes is not None:
        check(variables, shapes(config.model), str(directory))
    return config, variables


def facts(directory: str | Path) -> dict[str, Any]:
    """Read the facts of the training that `save` stored.

    Args:
        directory: Written by `save`.

    Returns:
        JSON values by name.

    Raises:
        InputError: No model there, or another format or version.
    """
    return _describe(Path(directory)).get("training", {})


def check(variables: Mapping[str, Any], expected: Mapping[str, Any], name: str) -> None:
    """Compare names and shapes of loaded variables with those of a network.

    Args:
        variables: Nested dicts of arrays.
        expected: Nested dicts of arrays or `jax.ShapeDtypeStruct`, from the network's `init`.
        name: The model's name, for the message.

    Raises:
        InputError: The first tensor that is missing, superfluous, or of another shape.
    """
    loaded, needed = flatten(variables), flatten(expected)
    for tensor in sorted(set(needed) | set(loaded)):
        if tensor not in loaded:
            problem = "is missing"
        elif tensor not in needed:
            problem = "is not part of the network"
        elif loaded[tensor].shape != needed[tensor].shape:
            problem = f"has shape {loaded[tensor].shape}, the network needs {needed[tensor].shape}"
        else:
            continue
        raise InputError(
            f"{name}: tensor {tensor} {problem}; config.json and model.safetensors do not belong "
            "together or are of another package version: export the model again"
        )


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings to one dict of "/"-joined names.

    Args:
        tree: Nested mappings.
        prefix: Put before each name.

    Returns:
        The leaves by name.
    """
    flat = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}/")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def unflatten(flat: Mapping[str, Any]) -> Variables:
    """Invert `flatten`: turn "/"-joined names back into nested dicts.

    Args:
        flat: Name to value.

    Returns:
        The tree that `flatten` flattens to `flat`.

    Raises:
        InputError: A name that goes on where another ends, as "a/b/x" beside "a/b".
    """
    tree: Variables = {}
    for name, value in flat.items():
        *parents, leaf = name.split("/")
        node = tree
        for depth, parent in enumerate(parents, start=1):
            if "/".join(parents[:depth]) in flat:
                raise InputError(
                    f"tensor {name}: goes on where the name of another ends; export it again"
                )
            node = node.setdefault(parent, {})
        node[leaf] = value
    return tree


def _stored(name: str, tensor: Any, dtype: str) -> np.ndarray:
    stored_dtype = np.dtype(dtype if name.startswith("params/") else "float32")
    with np.errstate(over="ignore"):  # reported below, by name
        stored = np.asarray(tensor, np.float32).astype(stored_dtype, order="C")
    if not np.isfinite(stored).all():
        raise InputError(f"{name}: has values that are not finite in {stored_dtype}; not saved")
    return stored


def _swap(new: Path, directory: Path) -> None:
    """Rename `new` to `directory`; an old directory of that name is moved next to `new`."""
    old = new.with_name("old")
    try:
        if directory.exists():
            directory.rename(old)
        new.rename(directory)
    except BaseException:  # an interrupt too: the old model must not go before the new one is there
        if old.exists() and not directory.exists():
            old.rename(directory)
        raise


def _describe(directory: Path) -> dict[str, Any]:
    path = directory / CONFIG_FILE
    if not path.is_file():
        raise InputError(f"{directory}: {problem(directory)}")
    try:
        description = strict_json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({reason(error)}); copy the model again"
        ) from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        other = description.get("format") if isinstance(description, dict) else None
        but = f", but {other[:80]!r}" if isinstance(other, str) else ""
        raise InputError(
            f"{path}: its format is not {FORMAT!r}{but}; give a directory haqagen wrote"
        )
    version = description.get("format_version")
    if version != FORMAT_VERSION:
        writer = description.get("package_version", "unknown")
        raise InputError(
            f"{path}: format_version is {version!r} (written by haqagen-jax {writer}), "
            f"this is {__version__} and reads {FORMAT_VERSION}; use that version or export again"
        )
    if not isinstance(description.get("config"), dict):
        raise InputError(f"{path}: has no configuration; export the model again")
    return description
