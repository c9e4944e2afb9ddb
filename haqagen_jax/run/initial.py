"""Initialize a new run from another model's generator: from all of it, or from what fits.

HAQAGen's G_A is ColorMamba's with other maps in its decoder. From such a model it takes the tensors
that do the same in both; SPADE norms, which would see other maps, and the HSV branch start anew.
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
from haqagen_jax.config.schema import Config, ModelConfig
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
    """Initial tensors of a generator.

    Attributes:
        tensors: By their path in the variables; those that lack keep their random values.
        report: What was taken and what was not, as lines.
    """

    tensors: Tensors
    report: str


def read_initial(directory: str | Path, model: ModelConfig) -> Initial:
    """Read the tensors of another generator that a new run starts with.

    Args:
        directory: Of a model; or of a run for its latest checkpoint, or of one of its checkpoints.
        model: Which networks the run trains.

    Returns:
        Tensors for all or for a part of the run's generator, with a report.

    Raises:
        InputError: No model there, or one of another architecture or size.
    """
    other, variables = _read_generator(Path(directory))
    shapes = generator_shapes(model)
    source, target = other.architecture, model.architecture
    if source == target:
        artifact.check(variables, shapes, str(directory))
        return Initial(artifact.flatten(variables), f"generator of {directory}: taken whole")
    if (source, target) == ("prior", "haqagen") and model.hsv_encoder != "unet":
        artifact.check(variables["params"], shapes["params"]["hsv_branch"], str(directory))
        tensors = artifact.flatten({"params": {"hsv_branch": variables["params"]}})
        return Initial(tensors, f"generator of {directory}: taken whole, as G_B")
    if (source, target) != ("colormamba", "haqagen"):
        raise InputError(
            f"{directory}: is a {source} generator, of which a {target} generator can take "
            "nothing; give another model, or set model.architecture"
        )
    for name in _BACKBONE:
        size, required = getattr(other, name), getattr(model, name)
        if size != required:
            raise InputError(
                f"{directory}: model.{name} is {size}, but the run's is {required}; start the run "
                f"with --set model.{name}={size}"
            )
    offered = _agent_biases(artifact.flatten(variables))
    expected = artifact.flatten(shapes)
    same_norms = other.spade_hidden == model.spade_hidden
    taken = {
        path: tensor
        for path, tensor in offered.items()
        if path in expected
        and "/rgb_branch/" in path
        and not _OTHER_MAPS.search(path)
        and (same_norms or not _FUSION_NORM.search(path))
    }
    return Initial(taken, _report(str(directory), expected, offered, taken))


def _read_generator(directory: Path) -> tuple[ModelConfig, artifact.Variables]:
    started = is_started(directory / "checkpoints") or (
        directory.name.isdecimal() and is_started(directory.parent)
    )
    if not started:
        config, variables = artifact.load(directory)
        return config.model, variables
    _, state, facts = read(directory)
    # As `TrainState.judged`: the moving average where there is one.
    params = state.get("average") or state["generator"]["params"]
    with located(directory):
        model = Config.from_dict(facts["config"]).model
    return model, {**state["generator"], "params": params}


def pretrained_trunk(model: ModelConfig) -> Initial | None:
    """Read what a new run's trunk starts with, from the cache of published weights.

    Args:
        model: Which networks the run trains.

    Returns:
        Tensors of ImageNet's EfficientNet-Lite0; None for a generator without such a trunk.

    Raises:
        InputError: The weights are not in the cache.
    """
    if model.hsv_encoder != "efficientnet_lite0":
        return None
    module = "hsv_branch/trunk" if model.architecture == "haqagen" else "trunk"
    published = artifact.flatten(cache.load("efficientnet-lite0"))
    tensors = {f"params/{module}/{path}": tensor for path, tensor in published.items()}
    count = sum(tensor.size for tensor in tensors.values())
    return Initial(tensors, f"trunk of EfficientNet-Lite0 (ImageNet): {count:,} parameters taken")


def _agent_biases(tensors: Mapping[str, np.ndarray]) -> Tensors:
    """Replace the published biases of agent attention by their sum, which is what ours is."""
    summed = dict(tensors)
    windows: dict[str, dict[str, np.ndarray]] = {}
    for path in tensors:
        block, window, name = path.partition(_WINDOW)
        if window:
            windows.setdefault(block, {})[name] = summed.pop(path)
    sizes = paper.ATTENTION_HEADS, paper.AGENT_TOKENS
    for block, params in windows.items():
        bias: Any = WindowBias(*sizes).apply({"params": jax.tree.map(jnp.asarray, params)})
        summed[f"{block}attn/agent_bias"] = np.asarray(bias)
    return summed


def _report(
    name: str, expected: Mapping[str, Any], offered: Mapping[str, Any], taken: Collection[str]
) -> str:
    ours, theirs = (
        {
            path.partition("/")[2]: x.size
            for path, x in tensors.items()
            if path.startswith("params/")
        }
        for tensors in (expected, offered)
    )
    same = {path.partition("/")[2] for path in taken if path.startswith("params/")}
    count = sum(ours[path] for path in same)
    rows = {
        "taken": _subtrees(ours, same),
        "starts anew": _subtrees(ours, set(ours) - same),
        "left behind": _subtrees(theirs, set(theirs) - same),
    }
    lines = [f"generator of {name}: {count:,} of {sum(ours.values()):,} parameters taken"]
    for title, modules in rows.items():
        indent = f"  {title:13}"
        lines += textwrap.wrap(
            ", ".join(_numbered(modules)),
            _WIDTH,
            initial_indent=indent,
            subsequent_indent=" " * len(indent),
        )
    return "\n".join(lines)


def _subtrees(paths: Collection[str], chosen: Collection[str], prefix: str = "") -> list[str]:
    """Find the fewest subtrees that hold the chosen leaves and no others."""
    inside = [path for path in paths if path.startswith(prefix)]
    held = [path for path in inside if path in chosen]
    if not held:
        return []
    if prefix and len(held) == len(inside):
        return [prefix.rstrip("/")]
    heads = sorted({path[len(prefix) :].partition("/")[0] for path in inside})
    subtrees = []
    for head in heads:
        path = f"{prefix}{head}"
        subtrees += [path] if path in chosen else _subtrees(inside, held, f"{path}/")
    return subtrees


def _numbered(modules: list[str]) -> list[str]:
    """Join names that differ in their first number, as down_1-8."""
    groups: dict[tuple[str, str], list[int]] = {}
    for module in modules:
        stem, number, rest = re.fullmatch(r"(\D*)(\d*)(.*)", module).groups()  # pyright: ignore
        groups.setdefault((stem, rest), []).extend([int(number)] if number else [])
    names = []
    for (stem, rest), numbers in groups.items():
        row = len(numbers) > 1 and numbers == list(range(numbers[0], numbers[-1] + 1))
        shown = f"{numbers[0]}-{numbers[-1]}" if row else ",".join(map(str, numbers))
        names.append(f"{stem}{shown}{rest}")
    return names
