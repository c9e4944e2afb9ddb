"""Render natural scenes from a seed: near-infrared and color images together.

For tests, for the demonstration and for people without data. No photograph goes into them: shapes
and textures are seeded noise, colors are published reflectances (see `materials`). numpy
only.
"""

from haqagen_jax.synthetic.scene import Scene, render

__all__ = ["Scene", "render"]
