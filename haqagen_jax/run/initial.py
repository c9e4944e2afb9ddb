"""What a new run starts with, of another model's generator: all of it, or what fits.

HAQAGen's G_A is ColorMamba's with other maps in its decoder. From such a model it takes what does
the same there and here; SPADE norms, which would see other maps, and the HSV branch start anew.
From a color prior, HAQAGen takes its G_B.
"""

import re
import textwrap
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped

from haqagen_jax import artifact, paper
from haqagen_jax import weights as cache
from haqagen_jax.config.schema import Config
from haqagen_jax.errors import InputError, located
from haqagen_jax.models.agent_attention import WindowBias
from haqagen_jax.models.factory import generator_shapes
from haqagen_jax.run.checkpoint import is_started, read

Tensors = dict[str, Shaped[np.ndarray, "..."]]  # by their path in the variables, joined by "/"
_BACKBONE = ("width", "d_state", "expand")
_OTHER_MAPS = re.compile(r"/decoder_\d/spade/norm_\d/")
_FUSION_NORM = re.compile(r"/fusion/norm_\d/")
_WINDOW = "attn/window/"
_WIDTH = 100  # of a line of the report


class Initial(NamedTuple):
    """Tensors of the generator, and a report of what was taken and what was not, as lines."""

    tensors: Tensors
    report: str


def read_initial(directory: str | Path, config: Config) -> Initial:
    """Read what a run starts with.

    Args:
        directory: of a model; or of a run for its latest checkpoint, or of one of its checkpoints.
        config: the run's configuration.

    Returns:
        Tensors for all or for a part of the run's generator.

    Raises:
        InputError: no model there, or one of another architecture or size.
    """
    other, variables = _read_generator(Path(directory))
    shapes = generator_shapes(config.model)
    ours, theirs = other.model.architecture, config.model.architecture
    if ours == theirs:
        artifact.check(variables, shapes, str(directory))
        return Initial(artifact.flatten(variables), f"generator of {directory}: taken whole")
    if (ours, theirs) == ("prior", "haqagen") and config.model.hsv_encoder != "unet":
        artifact.check(variables["params"], shapes["params"]["hsv_branch"], str(directory))
        tensors = artifact.flatten({"params": {"hsv_branch": variables["params"]}})
        return Initial(tensors, f"generator of {directory}: taken whole, as G_B")
    if (ours, theirs) != ("colormamba", "haqagen"):
        raise InputError(
            f"{directory}: is a {ours} generator, of which a {theirs} generator can take nothing; "
            "give another model, or set model.architecture"
        )
    for name in _BACKBONE:
        have, want = (getattr(model, name) for model in (other.model, config.model))
        if have != want:
            raise InputError(
                f"{directory}: model.{name} is {have}, but the run's is {want}; start the run "
                f"with --set model.{name}={have}"
            )
    found = _agent_biases(artifact.flatten(variables))
    wanted = artifact.flatten(shapes)
    same_norms = other.model.spade_hidden == config.model.spade_hidden
    taken = {
        path: tensor
        for path, tensor in found.items()
        if path in wanted
        and "/rgb_branch/" in path
        and not _OTHER_MAPS.search(path)
        and (same_norms or not _FUSION_NORM.search(path))
    }
    return Initial(taken, _report(str(directory), wanted, found, taken))


def _read_generator(directory: Path) -> tuple[Config, artifact.Variables]:
    started = is_started(directory / "checkpoints") or (
        directory.name.isdecimal() and is_started(directory.parent)
    )
    if not started:
        return artifact.load(directory)
    _, state, facts = read(directory)
    # As `TrainState.judged`: the moving average where there is one.
    params = state.get("average") or state["generator"]["params"]
    with located(directory):
        return Config.from_dict(facts["config"]), {**state["generator"], "params": params}


def pretrained_trunk(config: Config) -> Initial | None:
    """Read what a new run's trunk starts with, from the cache of published weights.

    Args:
        config: the run's configuration.

    Returns:
        ImageNet's EfficientNet-Lite0; None for a generator without such a trunk.

    Raises:
        InputError: the weights are not in the cache.
    """
    model = config.model
    if model.hsv_encoder != "efficientnet_lite0":
        return None
    place = "hsv_branch/trunk" if model.architecture == "haqagen" else "trunk"
    found = artifact.flatten(cache.load("efficientnet-lite0"))
    tensors = {f"params/{place}/{path}": tensor for path, tensor in found.items()}
    count = sum(tensor.size for tensor in tensors.values())
    return Initial(tensors, f"trunk of EfficientNet-Lite0 (ImageNet): {count:,} parameters taken")


def _agent_biases(tensors: Mapping[str, np.ndarray]) -> Tensors:
    """Sums the published biases of agent attention up, as ours are."""
    found = dict(tensors)
    windows: dict[str, dict[str, np.ndarray]] = {}
    for path in tensors:
        place, window, name = path.partition(_WINDOW)
        if window:
            windows.setdefault(place, {})[name] = found.pop(path)
    sizes = paper.ATTENTION_HEADS, paper.AGENT_TOKENS
    for place, params in windows.items():
        bias: Any = WindowBias(*sizes).apply({"params": jax.tree.map(jnp.asarray, params)})
        found[f"{place}attn/agent_bias"] = np.asarray(bias)
    return found


def _report(
    name: str, wanted: Mapping[str, Any], found: Mapping[str, Any], taken: Collection[str]
) -> str:
    ours, theirs = (
        {
            path.partition("/")[2]: x.size
            for path, x in tensors.items()
            if path.startswith("params/")
        }
        for tensors in (wanted, found)
    )
    same = {path.partition("/")[2] for path in taken if path.startswith("params/")}
    count = sum(ours[path] for path in same)
    rows = {
        "taken": _subtrees(ours, same),
        "starts anew": _subtrees(ours, set(ours) - same),
        "left behind": _subtrees(theirs, set(theirs) - same),
    }
    lines = [f"generator of {name}: {count:,} of {sum(ours.values()):,} parameters taken"]
    for title, places in rows.items():
        indent = f"  {title:13}"
        lines += textwrap.wrap(
            ", ".join(_numbered(places)),
            _WIDTH,
            initial_indent=indent,
            subsequent_indent=" " * len(indent),
        )
    return "\n".join(lines)


def _subtrees(paths: Collection[str], chosen: Collection[str], prefix: str = "") -> list[str]:
    """The fewest parts of a tree that hold the chosen leaves and no others."""
    inside = [path for path in paths if path.startswith(prefix)]
    held = [path for path in inside if path in chosen]
    if not held:
        return []
    if prefix and len(held) == len(inside):
        return [prefix.rstrip("/")]
    heads = sorted({path[len(prefix) :].partition("/")[0] for path in inside})
    found = []
    for head in heads:
        place = f"{prefix}{head}"
        found += [place] if place in chosen else _subtrees(inside, held, f"{place}/")
    return found


def _numbered(places: list[str]) -> list[str]:
    """Joins names that differ in their first number, as down_1-8."""
    found: dict[tuple[str, str], list[int]] = {}
    for place in places:
        stem, number, rest = re.fullmatch(r"(\D*)(\d*)(.*)", place).groups()  # pyright: ignore
        found.setdefault((stem, rest), []).extend([int(number)] if number else [])
    names = []
    for (stem, rest), numbers in found.items():
        row = len(numbers) > 1 and numbers == list(range(numbers[0], numbers[-1] + 1))
        shown = f"{numbers[0]}-{numbers[-1]}" if row else ",".join(map(str, numbers))
        names.append(f"{stem}{shown}{rest}")
    return names
