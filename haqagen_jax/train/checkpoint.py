"""Checkpoints of a run: the state of the training and its position in the data, saved together.

Orbax writes a checkpoint in the background, under a temporary name, and renames it when it is
whole: a run that is killed while saving continues from the checkpoint before. It is restored onto
whatever devices and processes there are.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from haqagen_jax.errors import InputError, reason
from haqagen_jax.version import __version__

FORMAT = 2  # raised when what is in a checkpoint changes


def is_started(directory: str | Path) -> bool:
    """Whether a directory holds a checkpoint to continue from; it need not exist."""
    return bool(ocp.utils.checkpoint_steps(directory)) if Path(directory).is_dir() else False


def read(directory: str | Path) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """Reads a checkpoint for a look at it, whatever it was saved on.

    Args:
        directory: of the checkpoint (RUN/checkpoints/STEP), or of the run, for its latest.

    Returns:
        The step, the state as nested dicts of arrays, and the facts saved beside it.

    Raises:
        InputError: no checkpoint there, or one that cannot be read.
    """
    directory = Path(directory).resolve()
    root, steps = directory / "checkpoints", []
    if root.is_dir():
        steps = ocp.utils.checkpoint_steps(root)
    elif directory.name.isdecimal() and directory.is_dir():
        root, steps = directory.parent, [directory.name]
    if not steps:
        raise InputError(
            f"{directory}: holds no checkpoint; give a run's --workdir, or one of its checkpoints"
        )
    step = max(map(int, steps))
    one = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    try:
        handlers = {"state": ocp.StandardCheckpointHandler(), "facts": ocp.JsonCheckpointHandler()}
        with ocp.CheckpointManager(root, item_handlers=handlers) as manager:
            shapes: Any = manager.item_metadata(step)
            # Where the arrays were when they were saved may not exist here.
            template = jax.tree.map(
                lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=one), shapes["state"]
            )
            items = ocp.args.Composite(
                state=ocp.args.StandardRestore(template), facts=ocp.args.JsonRestore()
            )
            found = manager.restore(step, args=items)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{root / str(step)}: cannot be read ({reason(error)}); take another checkpoint"
        ) from None
    return step, found["state"], found["facts"]


class Checkpoints:
    """The checkpoints in one directory, used as a context manager; the latest and the best stay."""

    def __init__(self, directory: str | Path, *, keep: int = 1, keep_best: bool = False) -> None:
        """Opens or makes a directory of checkpoints.

        Args:
            directory: made if it does not exist; left-overs of a killed run are removed.
            keep: how many of the latest checkpoints stay.
            keep_best: keep that of the highest score, too.
        """
        policies: list[preservation_policy.PreservationPolicy] = [preservation_policy.LatestN(keep)]
        if keep_best:
            best = preservation_policy.BestN(
                n=1,
                get_metric_fn=lambda metrics: metrics["score"],
                keep_checkpoints_without_metrics=False,
            )
            policies.append(best)
        options = ocp.CheckpointManagerOptions(
            preservation_policy=preservation_policy.AnyPreservationPolicy(policies),
            cleanup_tmp_directories=True,
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
        # After a failure of one process the others may be gone, and must not be waited for.
        if error is None or jax.process_count() == 1:
            self._manager.close()

    def save(
        self,
        step: int,
        state: Any,
        *,
        settings: Mapping[str, Any],
        position: Mapping[str, Any],
        config: Mapping[str, Any],
        score: float | None = None,
    ) -> None:
        """Begins to save a step; the state may be donated when this returns.

        Args:
            step: number of steps done.
            state: a pytree of arrays.
            settings: what must not change when the run continues; JSON values.
            position: of the data stream and whatever else the caller needs; JSON values.
            config: of the run, whole, for who looks at the checkpoint; JSON values.
            score: of the model at this step; the higher, the better.

        Raises:
            InputError: this checkpoint, or the one before, cannot be written.
        """
        facts = {
            "format": FORMAT,
            "package_version": __version__,
            "settings": dict(settings),
            "position": dict(position),
            "config": dict(config),
        }
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state), facts=ocp.args.JsonSave(facts)
        )
        metrics = None if score is None else {"score": score}
        with self._written():
            self._manager.save(step, args=items, metrics=metrics)

    def wait(self) -> None:
        """Returns when everything is written.

        Raises:
            InputError: the last checkpoint cannot be.
        """
        with self._written():
            self._manager.wait_until_finished()

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:  # tensorstore words a full disk as a ValueError
            raise InputError(
                f"{self.directory}: a checkpoint cannot be written ({reason(error)}); make room, "
                "and run the same command to go on from the one before"
            ) from None

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
            InputError: a checkpoint of another version, or a setting that differs from the one the
                run was started with.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        items = ocp.args.Composite(facts=ocp.args.JsonRestore())
        facts = self._manager.restore(step, args=items)["facts"]
        if facts.get("format") != FORMAT:
            raise InputError(
                f"{self.directory / str(step)}: has format {facts.get('format', 1)}, this version "
                f"({__version__}) reads {FORMAT}; go on with the version that wrote it "
                f"({facts.get('package_version', 'an older one')}), or use another --workdir"
            )
        for name, value in settings.items():
            before = facts["settings"].get(name)
            if before != value:
                raise InputError(
                    f"{name} = {value}: the run in {self.directory.parent} was started with "
                    f"{before}; go on with that, or use another --workdir"
                )
        items = ocp.args.Composite(state=ocp.args.StandardRestore(template))
        return self._manager.restore(step, args=items)["state"], facts["position"]
