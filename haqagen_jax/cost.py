"""The cost of a network, counted on its trace: nothing is compiled or run.

Multiplications are those of convolutions, matrix products and elementwise products (the depthwise
convolutions and the scan are made of these); each comes with at most one addition, so they are the
multiply-accumulates. Memory is that of the arrays' elements.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

from haqagen_jax import paper
from haqagen_jax.config.schema import ModelConfig
from haqagen_jax.models.factory import generator_shapes, make_generator


def nbytes(tree: Any) -> int:
    """Return the size of a tree of arrays.

    Args:
        tree: Arrays or `jax.ShapeDtypeStruct`s.

    Returns:
        The sum of their sizes in bytes.
    """
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(tree))


def tile_multiplications(model: ModelConfig) -> int:
    """Count the multiply-accumulates of the generator on one 256 x 256 tile.

    Args:
        model: Configuration of the generator.

    Returns:
        The count.
    """
    return multiplications(make_generator(model).apply, generator_shapes(model), _tile())


def tile_residuals(model: ModelConfig) -> int:
    """Return the memory that the forward pass of one tile keeps for the backward pass.

    Args:
        model: Configuration of the generator.

    Returns:
        The bytes that plain differentiation keeps; the compiler may keep less.
    """
    network, variables = make_generator(model), generator_shapes(model)
    rest = {name: tree for name, tree in variables.items() if name != "params"}

    def pull_back(params: Any, rest: Any, nir: jax.Array) -> Any:
        def forward(params: Any) -> Any:
            return network.apply({**rest, "params": params}, nir, train=True, mutable=list(rest))

        return jax.vjp(forward, params, has_aux=True)[1]

    kept = jax.eval_shape(pull_back, variables["params"], rest, _tile())
    return nbytes(kept) - nbytes(variables["params"])


def multiplications(function: Callable, *args: Any) -> int:
    """Count the multiplications of a call.

    Args:
        function: Function that JAX can trace.
        args: Its arguments: arrays or `jax.ShapeDtypeStruct`s.

    Returns:
        The count; where the code depends on the platform, that for a CPU.
    """
    return _count(jax.make_jaxpr(function)(*args).jaxpr)


def _tile() -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((1, paper.PATCH, paper.PATCH, 1), jnp.float32)


def _count(jaxpr: core.Jaxpr) -> int:
    return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation: core.JaxprEqn) -> int:
    name, parameters = equation.primitive.name, equation.params
    size = math.prod(_shape(equation.outvars[0])) if equation.outvars else 0
    if name == "mul":
        return size
    if name == "dot_general":
        (contracted, _), _ = parameters["dimension_numbers"]
        return size * math.prod(_shape(equation.invars[0])[i] for i in contracted)
    if name == "conv_general_dilated":
        kernel, features = (
            _shape(equation.invars[1]),
            parameters["dimension_numbers"].rhs_spec[0],
        )
        return size * math.prod(kernel) // kernel[features]
    if name == "cond":
        return _count(parameters["branches"][0].jaxpr)
    times = parameters["length"] if name == "scan" else 1
    return times * sum(_count(inner) for inner in _inner(parameters))


def _shape(variable: Any) -> tuple[int, ...]:
    return getattr(variable.aval, "shape", ())  # tokens and keys have none


def _inner(parameters: dict[str, Any]) -> list[core.Jaxpr]:
    """List the jaxprs that an equation calls; of a custom derivative, the function itself."""
    jaxprs = []
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        value = parameters.get(name)
        if value is not None:
            jaxprs.append(getattr(value, "jaxpr", value))
    return jaxprs
