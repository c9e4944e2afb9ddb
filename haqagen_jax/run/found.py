"""Find the checkpoints of a run on disk; their content is read by `haqagen_jax.run.checkpoint`."""

from pathlib import Path

from haqagen_jax.errors import InputError


def find_checkpoint(directory: str | Path) -> tuple[Path, int | None]:
    """Tell a run from one of its checkpoints.

    Args:
        directory: A checkpoint (RUN/checkpoints/STEP), or a run (RUN).

    Returns:
        The directory of all checkpoints, which may have none; and the step of the checkpoint, or
        None for a run.

    Raises:
        InputError: It is neither.
    """
    directory = Path(directory).resolve()
    if (directory / "checkpoints").is_dir():
        return directory / "checkpoints", None
    if directory.name.isdecimal() and directory.is_dir():
        return directory.parent, int(directory.name)
    raise no_checkpoint(directory)


def no_checkpoint(directory: Path) -> InputError:
    """Word the error of a directory without checkpoints.

    Args:
        directory: The directory.

    Returns:
        The error.
    """
    return InputError(
        f"{directory}: holds no checkpoint; give a run's --workdir, or one of its checkpoints"
    )
