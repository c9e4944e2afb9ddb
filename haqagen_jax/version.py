"""The version of the package; also written into every model directory and checkpoint."""

__version__ = "0.1.0"
