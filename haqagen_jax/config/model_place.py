"""What a path is that was given for a model directory and is none, and where the model may be.

No jax is loaded, and nothing in the files is executed.
"""

from collections.abc import Iterable
from pathlib import Path

from haqagen_jax.errors import InputError
from haqagen_jax.system.file_kind import ARCHIVE, file_kind, weights_inside

CONFIG_FILE = "config.json"  # of a model directory
_MODEL = "model"  # in a run: its best model
_CHECKPOINTS = "checkpoints"  # in a run
_SHOWN = 3  # names that a message lists
_IMAGES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".npy"}

# What a directory is that has an entry of one of these names; the first that is there counts.
_MARKS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("_CHECKPOINT_METADATA", "_METADATA"), "is a checkpoint of a run or of another program"),
    (("saved_model.pb",), "is a TensorFlow SavedModel"),
    (("model.safetensors",), f"has a model's tensors alone; copy its {CONFIG_FILE}, too"),
    (("model_index.json", "pytorch_model.bin"), "is a model of another program"),
    ((".git",), "is a git clone, which holds code"),
    (("dataset_info.json", "train", "val", "test"), "is a data set, for --data"),
)


def problem(path: Path) -> str:
    """Say why a path is no model directory, and what to give instead.

    Args:
        path: A path, perhaps of nothing, that is no directory with a `CONFIG_FILE`.

    Returns:
        Text that stands behind the path and a colon.
    """
    try:
        if path.is_dir():
            return _directory(path)
        return _file(path) if path.exists() else _ABSENT
    except OSError:
        return "cannot be read; check its rights"


_ABSENT = "no such model directory; see `haqagen colorize --help`"


def _file(path: Path) -> str:
    if (path.parent / CONFIG_FILE).is_file() and path.suffix in (".json", ".safetensors"):
        return f"is a file of a model directory; give the directory {path.parent}"
    try:
        kind = file_kind(path)
    except InputError as error:
        return f"{str(error).removeprefix(f'{path}: ')}, not a model directory"
    what = f"is {kind.name}, not a model directory"
    if kind.content == ARCHIVE:
        return (
            f"{what}; unpack it, and give a directory with a {CONFIG_FILE}, or import the weights"
        )
    if kind.content:
        return f"{what}; {_import(str(path))}"
    return f"{what}; {kind.remedy or f'give a directory with a {CONFIG_FILE} that haqagen wrote'}"


def _directory(path: Path) -> str:
    none = f"no {CONFIG_FILE} in it, so it is not a model"
    of_run = _CHECKPOINTS in (path.name, path.parent.name)
    for run in (path, path.parent, path.parent.parent) if of_run else (path,):
        what = "is a run" if run == path else f"is of the run {run}"
        if _is_model(run / _MODEL):
            return f"{none}; it {what}, whose model is {run / _MODEL}: give that"
        if (run / _CHECKPOINTS).is_dir():
            return (
                f"{none}; it {what} that has no model yet, which is written after the first "
                f"validation; {run} itself can be given to --init-from"
            )
    models = [str(inner) for inner in sorted(path.iterdir()) if _is_model(inner)]
    if models:
        return f"{none}; give {_listed(models, 'or')}, which is in it"
    names = {inner.name for inner in path.iterdir()}
    what = next((what for marks, what in _MARKS if not names.isdisjoint(marks)), "")
    if not what and any(Path(name).suffix.lower() in _IMAGES for name in names):
        what = "is a folder of images"
    said = f"{none}; it {what}" if what else none
    if weights := weights_inside(path):
        return f"{said}, with {_listed(weights, 'and')} in it; {_import(str(path / weights[0]))}"
    return said if names else f"{none}; it is empty"


def _import(file: str) -> str:
    return (
        f"if it holds ColorMamba's generator, haqagen weights import colormamba {file} -o DIR "
        "makes a model directory"
    )


def _is_model(directory: Path) -> bool:
    return (directory / CONFIG_FILE).is_file()


def _listed(names: Iterable[str], word: str) -> str:
    names = list(names)
    if len(names) > _SHOWN:
        return f"{', '.join(names[:_SHOWN])} {word} {len(names) - _SHOWN} others"
    return f"{', '.join(names[:-1])} {word} {names[-1]}" if len(names) > 1 else names[0]
