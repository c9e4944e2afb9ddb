"""Checkpoints of a run: the state of the training and its position in the data, saved together.

Orbax writes a checkpoint under a temporary name and renames it when it is whole, so a run that is
killed while saving continues from the checkpoint before.
"""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from haqagen_jax.errors import InputError


def is_started(directory: str | Path) -> bool:
    """Whether a directory holds a checkpoint to continue from; it need not exist."""
    return bool(ocp.utils.checkpoint_steps(directory)) if Path(directory).is_dir() else False


class Checkpoints:
    """The checkpoints in one directory, used as a context manager; the latest ones are kept."""

    def __init__(self, directory: str | Path, *, keep: int = 1) -> None:
        """Opens or makes a directory of checkpoints.

        Args:
            directory: made if it does not exist; left-overs of a killed run are removed.
            keep: how many of the latest checkpoints stay.
        """
        options = ocp.CheckpointManagerOptions(
            preservation_policy=preservation_policy.LatestN(keep),
            cleanup_tmp_directories=True,
            enable_async_checkpointing=False,
        )
        self.directory = Path(directory).resolve()
        self._manager = ocp.CheckpointManager(self.directory, options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._manager.close()

    def save(
        self,
        step: int,
        state: Any,
        *,
        settings: Mapping[str, Any],
        position: Mapping[str, Any],
    ) -> None:
        """Saves a step.

        Args:
            step: number of steps done.
            state: a pytree of arrays.
            settings: what must not change when the run continues; JSON values.
            position: of the data stream and whatever else the caller needs; JSON values.
        """
        facts = {"settings": dict(settings), "position": dict(position)}
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state), facts=ocp.args.JsonSave(facts)
        )
        self._manager.save(step, args=items)

    def restore(
        self, template: Any, *, settings: Mapping[str, Any]
    ) -> tuple[Any, dict[str, Any]] | None:
        """Restores the latest checkpoint.

        Args:
            template: arrays or `jax.ShapeDtypeStruct`s (with shardings) like the saved state.
            settings: of this run; compared with those that were saved.

        Returns:
            The state and the position; None if there is no checkpoint.

        Raises:
            InputError: a setting differs from the one the run was started with.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        items = ocp.args.Composite(facts=ocp.args.JsonRestore())
        facts = self._manager.restore(step, args=items)["facts"]
        for name, value in settings.items():
            before = facts["settings"].get(name)
            if before != value:
                raise InputError(
                    f"{name} = {value}: the run in {self.directory.parent} was started with "
                    f"{before}; go on with that, or use another --workdir"
                )
        items = ocp.args.Composite(state=ocp.args.StandardRestore(template))
        return self._manager.restore(step, args=items)["state"], facts["position"]
