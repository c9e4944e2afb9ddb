"""Convert ColorMamba's checkpoints to model directories, and back."""

import hashlib
import os
from pathlib import Path

from haqagen_jax import artifact
from haqagen_jax.errors import InputError, reachable
from haqagen_jax.interop import colormamba
from haqagen_jax.interop.state_dicts import convert
from haqagen_jax.interop.torch_writer import write_state_dict
from haqagen_jax.models.factory import count_parameters, generator_shapes
from haqagen_jax.system.files import prepare_folder

_COUNTERS = "batch_norm_counters"


def import_checkpoint(source: str | Path, directory: str | Path) -> int:
    """Convert a checkpoint to a model directory.

    Args:
        source: A file in which the generator is; see `haqagen_jax.interop.state_dicts.convert` and
            `haqagen_jax.interop.colormamba.variables`. Nothing in it is executed.
        directory: The model directory, which must not exist.

    Returns:
        The number of parameters. Where in the file the generator was, the model's facts say:
        "imported_part", and "parts_left" for the other places where one is.

    Raises:
        InputError: No such file, another kind of file, other tensors, a directory that exists or
            cannot be written; nothing is left behind.
    """
    source, directory = Path(source), Path(directory)
    if os.path.lexists(directory):
        raise InputError(f"{directory}: exists; choose another name with -o")
    (config, variables, counters), found = convert(
        source,
        colormamba.names(),
        colormamba.variables,
        network="ColorMamba's generator",
        remedy=colormamba.REMEDY,
    )
    with reachable(), source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    facts = {"imported_from": source.name, "sha256": digest, _COUNTERS: counters}
    if found.place:
        facts |= {"imported_part": found.place, "parts_left": list(found.others)}
    artifact.save(directory, config, variables, dtype="float32", training=facts)
    return count_parameters(variables["params"])


def export_checkpoint(directory: str | Path, out: str | Path, *, overwrite: bool) -> int:
    """Write a ColorMamba generator as a checkpoint that PyTorch loads.

    Args:
        directory: Model directory, imported or trained.
        out: Path of the checkpoint, for `netG.load_state_dict(torch.load(out))`.
        overwrite: Whether a file that exists is replaced.

    Returns:
        The number of tensors.

    Raises:
        InputError: No such model, one of another architecture, a file that exists or cannot be
            written.
    """
    out = Path(out)
    if os.path.isdir(out):
        raise InputError(f"{out}: is a folder; name a file")
    config, variables = artifact.load(directory, generator_shapes)
    if config.model.architecture != "colormamba":
        raise InputError(
            f"{directory}: is a {config.model.architecture} generator; PyTorch's code is "
            "ColorMamba's, so give a ColorMamba model"
        )
    counters = artifact.facts(directory).get(_COUNTERS, {})
    tensors = colormamba.state_dict(config.model, variables, counters)
    prepare_folder(out.parent)
    write_state_dict(out, tensors, overwrite=overwrite)
    return len(tensors)
