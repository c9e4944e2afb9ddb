"""Everything a run needs before its first step: data, networks, step, and where arrays live."""

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
from haqagen_jax.config.schema import Config
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

KEPT = 2  # of the latest checkpoints; the best stays, too


@dataclasses.dataclass(frozen=True)
class Setup:
    """A run that can begin; nothing has been computed or written yet."""

    config: Config
    steps: int
    dtype: np.dtype
    mesh: Mesh
    pairs: Sequence[Pair]
    held_out: Sequence[Pair]
    settings: Mapping[str, Any]  # what must not change when the run continues
    batches: TrainIterator
    step: TrainStep  # jitted; the state is donated
    validate: Validate
    create: Callable[[jax.Array], TrainState]
    shapes: TrainState  # shapes and types, each with its sharding
    initial: Initial | None  # of the generator; None for random
    gather: Callable[[Any], Any]  # arrays to all devices

    def names(self, step: int) -> list[str]:
        """Returns the names of the pairs in the batch of a step."""
        train = self.config.train
        return batch_names(self.pairs, batch_size=train.batch_size, seed=train.seed, step=step)

    def whole(self, tree: Any) -> Any:
        """Returns arrays as numpy has them; every process calls this, and gets all."""
        return jax.device_get(self.gather(tree))


def prepare(
    directories: Sequence[str | Path],
    workdir: Path,
    config: Config,
    *,
    vgg: str | Path | None = None,
    init_from: str | Path | None = None,
) -> Setup:
    """Sets a run up.

    Args:
        directories: data directories; their training and validation splits are used.
        workdir: where the run lives; f is read from it.
        config: the run's configuration.
        vgg: weights of loss.vgg_network; None for those in the cache folder.
        init_from: a model directory whose generator a new run starts with; see
            `haqagen_jax.run.initial`.

    Returns:
        The run.

    Raises:
        InputError: an unusable work directory, too little room, unusable data, missing f or VGG
            weights, devices and a batch that do not fit, a model to start with that does not.
    """
    if is_first():
        require_workdir(workdir)
    initial = None
    if not is_started(workdir / "checkpoints"):
        given = init_from is not None
        initial = read_initial(init_from, config) if given else pretrained_trunk(config)
    train = config.train
    dtype = compute_dtype(train.precision)
    mesh = make_mesh(train)
    pairs, held_out = split_pairs(directories, "train"), split_pairs(directories, "val")
    texture = texture_features(config.loss, workdir / "texture")
    perceptual = vgg_features(config.loss, vgg)
    steps = train.steps or _steps_of_epochs(config, len(pairs))
    create = functools.partial(create_state, config=config, steps=steps, dtype=dtype)
    shapes = jax.eval_shape(create, jax.random.key(0))
    require_room(workdir, shapes, copies=KEPT + 2)  # the best, and one that is being written
    shardings = state_shardings(shapes, mesh)
    return Setup(
        config=config,
        steps=steps,
        dtype=dtype,
        mesh=mesh,
        pairs=pairs,
        held_out=held_out,
        settings=run_settings(
            config,
            steps=steps,
            pairs=pairs,
            texture=workdir / "texture" if texture else None,
            dtype=dtype,
        ),
        batches=train_iterator(pairs, config.data, batch_size=train.batch_size, seed=train.seed),
        step=jax.jit(
            make_train_step(config, steps=steps, texture=texture, vgg=perceptual, dtype=dtype),
            donate_argnums=0,
            out_shardings=(shardings, replicated(mesh)),
        ),
        validate=make_validation(config, held_out, mesh, dtype=dtype),
        create=jax.jit(create, out_shardings=shardings),
        shapes=jax.tree.map(
            lambda x, where: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where),
            shapes,
            shardings,
        ),
        initial=initial,
        gather=jax.jit(lambda tree: tree, out_shardings=replicated(mesh)),
    )


def start(setup: Setup) -> TrainState:
    """Creates the state before the first step, on its devices."""
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
    if state.average is not None:  # of its own, as both are donated
        average = jax.tree.map(jnp.copy, generator["params"])
    return dataclasses.replace(state, generator=generator, average=average)


def _steps_of_epochs(config: Config, pairs: int) -> int:
    per_epoch = pairs // config.train.batch_size
    if not per_epoch:
        raise InputError(
            f"train.batch_size = {config.train.batch_size}: more than the {pairs} training pairs; "
            "use a smaller one, or set train.steps"
        )
    return config.train.epochs * per_epoch
