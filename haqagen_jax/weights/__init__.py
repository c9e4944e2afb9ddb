"""Published weights: what exists, and what the cache directory holds.

from haqagen_jax import metrics, weights
variables = weights.lpips_variables("alex")
metrics.lpips(variables, prediction, target, backbone="alex")
"""

from haqagen_jax.weights.store import available, lacking, load, lpips_variables, path, remedy

__all__ = ["available", "lacking", "load", "lpips_variables", "path", "remedy"]
