"""Sizes and names of the networks of every preset, without computing a value."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax.traverse_util import flatten_dict

from haqagen_jax.config.load import SIZES, load_config
from haqagen_jax.models.critic import ColorMambaCritic, Critic
from haqagen_jax.models.factory import (
    count_parameters,
    init_critic,
    init_generator,
    make_critic,
    make_generator,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "tiny_parameters.txt"
COUNTS = {
    "paper": {"rgb_branch": 91_477_924, "hsv_branch": 4_021_183, "critic": 2_767_873},
    "base": {"rgb_branch": 22_945_305, "hsv_branch": 910_819, "critic": 2_767_873},
    "small": {"rgb_branch": 5_375_820, "hsv_branch": 237_299, "critic": 175_873},
    "tiny": {"rgb_branch": 1_350_683, "hsv_branch": 64_123, "critic": 44_929},
}


@functools.cache
def _shapes(size: str) -> dict:
    model = load_config(f"configs/haqagen.py:{size}").model
    key = jax.random.key(0)
    return {
        "generator": jax.eval_shape(functools.partial(init_generator, model=model), key),
        "critic": jax.eval_shape(functools.partial(init_critic, model=model), key),
    }


@pytest.mark.parametrize("size", SIZES)
def test_parameter_counts(size):
    shapes = _shapes(size)
    networks = {**shapes["generator"]["params"], "critic": shapes["critic"]["params"]}
    assert {name: count_parameters(tree) for name, tree in networks.items()} == COUNTS[size]


def test_the_papers_hsv_branch_has_about_four_million():
    params = _shapes("paper")["generator"]["params"]
    assert 3.6e6 <= count_parameters(params["hsv_branch"]) <= 4.4e6


def test_the_papers_encoder():
    branch = _shapes("paper")["generator"]["params"]["rgb_branch"]
    widths = [branch[f"down_{level}"]["kernel"].shape[-1] for level in range(1, 9)]
    assert widths == [64, 128, 256, 512, 512, 512, 512, 512]
    assert sorted(name for name in branch if "group" in name) == ["group_1", "group_2", "group_3"]


def _lines(tree: dict) -> list[str]:
    leaves: dict[str, Any] = flatten_dict(tree, sep="/")
    return sorted(
        f"{name} {' '.join(map(str, leaf.shape))}".rstrip() for name, leaf in leaves.items()
    )


def test_parameter_tree():
    # A changed name or shape breaks every saved model: raise artifact.FORMAT_VERSION with it.
    assert _lines(_shapes("tiny")) == GOLDEN.read_text().splitlines()


def test_everything_kept_is_float32():
    assert {leaf.dtype for leaf in jax.tree.leaves(_shapes("tiny"))} == {jnp.dtype(jnp.float32)}


def test_networks_compute_in_the_wanted_dtype():
    model = load_config("configs/haqagen.py:tiny").model
    for make in (make_generator, make_critic):
        assert make(model).dtype == jnp.float32
        assert make(model, dtype=jnp.bfloat16).dtype == jnp.bfloat16


def test_each_architecture_has_its_critics():
    model = load_config("configs/haqagen.py:tiny").model
    assert type(make_critic(model)) is Critic
    model = dataclasses.replace(model, architecture="colormamba")
    network = make_critic(model, dtype=jnp.bfloat16)
    assert network == ColorMambaCritic(model.critic_width, dtype=jnp.bfloat16)
    shapes = jax.eval_shape(functools.partial(init_critic, model=model), jax.random.key(0))
    assert sorted(shapes["params"]) == sorted(shapes["spectral"]) == ["hsv", "rgb"]
