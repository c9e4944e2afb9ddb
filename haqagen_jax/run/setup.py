"""Set up a run: everything it needs before its first step, from the data to the shardings."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from haqagen_jax import artifact
from haqagen_jax.config.schema import Config, ModelConfig, TrainConfig
from haqagen_jax.data.folder import split_pairs
from haqagen_jax.data.pair import Pair
from haqagen_jax.data.pipeline import TrainIterator, batch_names, train_iterator
from haqagen_jax.errors import InputError
from haqagen_jax.run.checkpoint import is_started
from haqagen_jax.run.frozen import texture_features, vgg_features
from haqagen_jax.run.identity import run_settings
from haqagen_jax.run.initial import Initial, pretrained_trunk, read_initial
from haqagen_jax.run.processes import is_first
from haqagen_jax.run.validation import Validate, make_validation
from haqagen_jax.run.workdir import require_room, require_workdir
from haqagen_jax.train.precision import compute_dtype
from haqagen_jax.train.sharding import make_mesh, replicated, state_shardings
from haqagen_jax.train.state import TrainState, create_state
from haqagen_jax.train.step import TrainStep, make_train_step

KEPT = 2  # number of the latest checkpoints that are kept, besides the best


@dataclasses.dataclass(frozen=True)
class Setup:
    """A run that can begin; nothing has been computed or written yet.

    Attributes:
        config: The run's configuration.
        steps: Length of the run.
        dtype: What convolutions and projections compute in.
        mesh: The devices of all processes.
        pairs: The training split.
        held_out: The validation split.
        settings: What must not change when the run continues, as JSON values.
        batches: The stream of training batches.
        step: The training step, jitted; it donates the state.
        validate: Scores a generator's variables on the validation split.
        create: Creates the state from a random key, jitted.
        shapes: Shapes and dtypes of the state, each with its sharding.
        initial: What the generator of a new run starts with; None for random values.
        gather: Replicates arrays on all devices, jitted.
    """

    config: Config
    steps: int
    dtype: np.dtype
    mesh: Mesh
    pairs: Sequence[Pair]
    held_out: Sequence[Pair]
    settings: Mapping[str, Any]
    batches: TrainIterator
    step: TrainStep
    validate: Validate
    create: Callable[[jax.Array], TrainState]
    shapes: TrainState
    initial: Initial | None
    gather: Callable[[Any], Any]

    def names(self, step: int) -> list[str]:
        """Return the names of the pairs in the batch of a step.

        Args:
            step: The step, from 1.

        Returns:
            The names, over all processes.
        """
        train = self.config.train
        return batch_names(self.pairs, batch_size=train.batch_size, seed=train.seed, step=step)

    def whole(self, tree: Any) -> Any:
        """Gather sharded arrays as NumPy arrays.

        Every process must call this, because they gather together; each gets all arrays.

        Args:
            tree: Arrays, sharded in any way.

        Returns:
            The tree of whole NumPy arrays.
        """
        return jax.device_get(self.gather(tree))


def prepare(
    directories: Sequence[str | Path],
    workdir: Path,
    config: Config,
    *,
    vgg: str | Path | None = None,
    init_from: str | Path | None = None,
) -> Setup:
    """Set up a run, new or to be continued.

    Args:
        directories: Data directories; their training and validation splits are used.
        workdir: Where the run lives; f is read from it.
        config: The run's configuration.
        vgg: Weights of loss.vgg_network; None for those in the cache.
        init_from: A model directory whose generator a new run starts with; see
            `haqagen_jax.run.initial`.

    Returns:
        The run, ready to begin.

    Raises:
        InputError: An unusable work directory, too little disk space, unusable data, missing
            f or VGG weights, devices and a batch that do not fit, or a model to start with that
            does not fit.
    """
    if is_first():
        require_workdir(workdir)
    initial = _initial(workdir, config.model, init_from)
    train = config.train
    dtype = compute_dtype(train.precision)
    mesh = make_mesh(train)
    pairs, held_out = split_pairs(directories, "train"), split_pairs(directories, "val")
    texture_directory = workdir / "texture"
    texture = texture_features(config.loss, texture_directory)
    perceptual = vgg_features(config.loss, vgg)
    steps = train.steps or _steps_of_epochs(train, len(pairs))
    create = functools.partial(create_state, config=config, steps=steps, dtype=dtype)
    shapes = jax.eval_shape(create, jax.random.key(0))
    require_room(workdir, shapes, copies=KEPT + 2)  # with the best, and one that is being written
    shardings, whole = state_shardings(shapes, mesh), replicated(mesh)
    texture_of_run = texture_directory if texture else None
    step = make_train_step(config, steps=steps, texture=texture, vgg=perceptual, dtype=dtype)
    return Setup(
        config=config,
        steps=steps,
        dtype=dtype,
        mesh=mesh,
        pairs=pairs,
        held_out=held_out,
        settings=run_settings(
            config, steps=steps, pairs=pairs, texture=texture_of_run, dtype=dtype
        ),
        batches=train_iterator(pairs, config.data, batch_size=train.batch_size, seed=train.seed),
        step=jax.jit(step, donate_argnums=0, out_shardings=(shardings, whole)),
        validate=make_validation(config, held_out, mesh, dtype=dtype),
        create=jax.jit(create, out_shardings=shardings),
        shapes=_placed(shapes, shardings),
        initial=initial,
        gather=jax.jit(lambda tree: tree, out_shardings=whole),
    )


def start(setup: Setup) -> TrainState:
    """Create the state before the first step, on its devices.

    Args:
        setup: The run.

    Returns:
        A random state, deterministic in `train.seed`, with the initial tensors of the generator.
    """
    state = setup.create(jax.random.key(setup.config.train.seed))
    if setup.initial is None:
        return state
    random = artifact.flatten(state.generator)
    given = {
        path: jax.device_put(np.asarray(tensor, random[path].dtype), random[path].sharding)
        for path, tensor in setup.initial.tensors.items()
    }
    generator = artifact.unflatten(random | given)
    average = None
    if state.average is not None:  # a copy, because both are donated
        average = jax.tree.map(jnp.copy, generator["params"])
    return dataclasses.replace(state, generator=generator, average=average)


def _initial(workdir: Path, model: ModelConfig, init_from: str | Path | None) -> Initial | None:
    """Read what the generator of a new run starts with; None for a run that continues."""
    if is_started(workdir / "checkpoints"):
        return None
    return pretrained_trunk(model) if init_from is None else read_initial(init_from, model)


def _placed(shapes: TrainState, shardings: Any) -> TrainState:
    """Give each shape of a state its sharding."""
    return jax.tree.map(
        lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        shapes,
        shardings,
    )


def _steps_of_epochs(train: TrainConfig, pairs: int) -> int:
    per_epoch = pairs // train.batch_size
    if not per_epoch:
        raise InputError(
            f"train.batch_size = {train.batch_size}: more than the {pairs} training pairs; "
            "use a smaller one, or set train.steps"
        )
    return train.epochs * per_epoch
