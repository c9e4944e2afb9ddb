"""Checkpoints of a run: the state of the training and its position in the data, saved together.

Saving is asynchronous and atomic: Orbax writes a checkpoint in the background, under a temporary
name, and renames it when it is complete, so that a run that is killed while saving continues from
the checkpoint before. A checkpoint can be restored onto other devices and processes.
"""

import contextlib
import gc
import logging
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from haqagen_jax.errors import InputError, reason
from haqagen_jax.run.found import find_checkpoint, no_checkpoint
from haqagen_jax.system import strict_json
from haqagen_jax.train.finite import not_finite
from haqagen_jax.version import __version__

_REASON = 160  # characters of a library's message: those of Orbax run over many lines
FORMAT = 2  # raised when what is in a checkpoint changes


def is_started(directory: str | Path) -> bool:
    """Say whether a directory holds a checkpoint to continue from.

    Args:
        directory: Of checkpoints; need not exist.

    Returns:
        True if at least one checkpoint is complete.
    """
    return bool(ocp.utils.checkpoint_steps(directory)) if Path(directory).is_dir() else False


def read(directory: str | Path) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """Read a checkpoint to inspect it, whatever devices it was saved on.

    Args:
        directory: A checkpoint (RUN/checkpoints/STEP), or a run (RUN) for its latest one.

    Returns:
        The step, the state as nested dicts of arrays, and the facts saved beside it.

    Raises:
        InputError: No checkpoint there, or one that cannot be read.
    """
    root, step = find_checkpoint(directory)
    if step is None:
        steps = ocp.utils.checkpoint_steps(root)
        if not steps:
            raise no_checkpoint(root.parent)
        step = max(map(int, steps))
    with _quiet():
        try:
            return step, *_read(root, step)
        except Exception as error:  # Orbax and its stores raise what they hit first
            problem = _shortened(error)
    raise InputError(f"{root / str(step)}: cannot be read ({problem}); take another checkpoint")


def _read(root: Path, step: int) -> tuple[dict[str, Any], dict[str, Any]]:
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    handlers = {"state": ocp.StandardCheckpointHandler(), "facts": ocp.JsonCheckpointHandler()}
    with ocp.CheckpointManager(root, item_handlers=handlers) as manager:
        shapes: Any = manager.item_metadata(step)
        # The devices that the arrays were saved on may not exist here.
        template = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=here), shapes["state"]
        )
        items = ocp.args.Composite(
            state=ocp.args.StandardRestore(template), facts=ocp.args.JsonRestore()
        )
        restored = manager.restore(step, args=items)
    return restored["state"], restored["facts"]


class Checkpoints:
    """Context manager of the checkpoints in one directory; the latest and the best are kept.

    Attributes:
        directory: The directory.
        best: Step of the best checkpoint, which stays however old it is; None for none.
    """

    def __init__(self, directory: str | Path, *, keep: int = 1) -> None:
        """Open a directory of checkpoints.

        Args:
            directory: Made if it does not exist; left-overs of a killed run are removed.
            keep: Number of the latest checkpoints that are kept.
        """
        self.best: int | None = None
        policies = [preservation_policy.LatestN(keep), _Best(self)]
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
    ) -> None:
        """Save a step asynchronously; the state may be donated when this returns.

        Args:
            step: Number of steps done.
            state: A pytree of arrays.
            settings: What must not change when the run continues, as JSON values.
            position: Position in the data stream, and whatever else the caller needs, as JSON
                values.
            config: The whole configuration, for a person who inspects the checkpoint, as JSON
                values.

        Raises:
            InputError: The state is not finite, or this checkpoint or the one before cannot be
                written.
        """
        if (name := not_finite(state)) is not None:
            raise InputError(
                f"step {step}: {name} is not finite and is not saved; lower the learning rate in "
                "another --workdir (the last checkpoint is kept)"
            )
        facts = {
            "format": FORMAT,
            "package_version": __version__,
            "settings": dict(settings),
            "position": dict(position),
            "config": dict(config),
        }
        strict_json.dumps(facts)  # refuses NaN, which Orbax would write
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state), facts=ocp.args.JsonSave(facts)
        )
        with self._written():
            self._manager.save(step, args=items)

    @property
    def latest(self) -> int:
        """Step of the latest checkpoint; 0 without any."""
        return self._manager.latest_step() or 0

    def wait(self) -> None:
        """Wait until the last checkpoint is written.

        Raises:
            InputError: It cannot be written.
        """
        with self._written():
            self._manager.wait_until_finished()

    @contextlib.contextmanager
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
        """Restore the latest checkpoint.

        Args:
            template: Arrays or `jax.ShapeDtypeStruct`s (with shardings) like the saved state.
            settings: Settings of this run, which are compared with those that were saved.

        Returns:
            The state and the position; None if there is no checkpoint.

        Raises:
            InputError: A checkpoint that is damaged or of another version, or a setting that
                differs from the one the run was started with.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        with _quiet():
            try:
                facts = self._read_facts(step)
                self._require_same(step, facts, settings)
                return self._read_state(step, template), facts["position"]
            except (InputError, jax.errors.JaxRuntimeError):
                raise
            except Exception as error:  # Orbax and its stores raise what they hit first
                problem = _shortened(error)
            way_on = self._way_on(step, template)
        raise InputError(f"{self.directory / str(step)}: is damaged ({problem}); {way_on}")

    def _read_facts(self, step: int) -> dict[str, Any]:
        items = ocp.args.Composite(facts=ocp.args.JsonRestore())
        # Earlier versions saved -Infinity as the best score of a run without any.
        return strict_json.finite(self._manager.restore(step, args=items)["facts"])

    def _read_state(self, step: int, template: Any) -> Any:
        items = ocp.args.Composite(state=ocp.args.StandardRestore(template))
        state = self._manager.restore(step, args=items)["state"]
        if (name := not_finite(state)) is not None:
            raise ValueError(f"{name} is not finite")
        return state

    def _require_same(self, step: int, facts: Mapping[str, Any], settings: Mapping) -> None:
        """Refuse a checkpoint of another version or of a run with other settings."""
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

    def _way_on(self, damaged: int, template: Any) -> str:
        """Say how a run with a damaged checkpoint goes on."""
        for step in sorted(self._manager.all_steps(), reverse=True):
            if step < damaged:
                with contextlib.suppress(Exception):
                    self._read_facts(step)
                    self._read_state(step, template)
                    return (
                        f"remove it, and the same command goes on from {self.directory / str(step)}"
                        ", which is intact"
                    )
        return "no other is intact, so remove them, and the same command starts anew"


class _Best(preservation_policy.PreservationPolicy):
    """Policy that preserves the best checkpoint."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> Sequence[bool]:
        """Mark the best checkpoint; see `PreservationPolicy`."""
        del context
        return [checkpoint.step == self._checkpoints.best for checkpoint in checkpoints]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the terminal free of what Orbax's parallel reads say, each for itself, of one damage.

    The first exception is worded by the caller, outside of its handler, which would keep the failed
    reads alive; the others are dropped when the block ends.
    """

    def refuse(record: logging.LogRecord) -> bool:
        return record.levelno < logging.WARNING

    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    for logger in loggers:
        logger.addFilter(refuse)
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        yield
    finally:
        gc.collect()
        sys.unraisablehook = hook
        for logger in loggers:
            logger.removeFilter(refuse)


def _shortened(error: Exception) -> str:
    return textwrap.shorten(reason(error), _REASON, placeholder=" ...")
