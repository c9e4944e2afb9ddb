"""A generator of three layers, and the `haqagen` command with it, for runs in their own processes.

    python tests/run/stand_in.py train --data DIR --workdir W ...

What surrounds the networks does not look inside them, so it is tested without waiting for them.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from haqagen_jax import __main__
from haqagen_jax.models import factory
from haqagen_jax.models.generator import Generator
from haqagen_jax.models.generator_output import GeneratorOutput
from haqagen_jax.models.layers import SpectralConv
from haqagen_jax.ops.precision import at_least_float32


class StandIn(Generator):
    """Has the arguments and all the collections of the true generator, and compiles at once."""

    @nn.compact
    def __call__(self, nir: jax.Array, *, train: bool = False) -> GeneratorOutput:
        def predict(name: str, side: int, x: jax.Array) -> jax.Array:
            y = nn.Conv(3, (side, side), dtype=self.dtype, name=name)(x)
            return jax.nn.sigmoid(at_least_float32(y))

        hsv = predict("hsv_branch", 3, nir)
        both = jnp.concatenate([nir, hsv], -1)
        spectral = SpectralConv(4, 3, use_bias=False, dtype=self.dtype, name="spectral_conv")
        norm = nn.BatchNorm(use_running_average=not train, momentum=0.9, dtype=self.dtype)
        x = nn.leaky_relu(norm(spectral(both, train=train)))
        return GeneratorOutput(predict("rgb_branch", 1, x), hsv)


if __name__ == "__main__":
    factory.Generator = StandIn
    __main__.main()
