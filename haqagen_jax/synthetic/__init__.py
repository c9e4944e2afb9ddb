"""Rendered natural scenes: near-infrared and colour pictures together, from a seed.

For tests, for the demonstration and for people without data. No photograph goes into them: shapes
and textures are seeded noise, colours are published reflectances (see `materials`). numpy
only.
"""

from haqagen_jax.synthetic.scene import Scene, render

__all__ = ["Scene", "render"]
