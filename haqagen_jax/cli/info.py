"""`haqagen info`: what the networks of a configuration cost, and what a checkpoint holds."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from haqagen_jax.config.load import load_config
from haqagen_jax.run.found import find_checkpoint

WIDTH = 110  # characters


def info(specs: Sequence[str]) -> None:
    """Print what configurations cost, one row for each.

    Args:
        specs: Configurations, "FILE.py:SIZE" each.

    Raises:
        InputError: If a configuration cannot be loaded.
    """
    configs = [load_config(spec) for spec in specs]
    # Imported here: a configuration that is refused should not wait seconds for jax.
    from haqagen_jax.cli.costs import COLUMNS, LEGEND, row

    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for spec, config in zip(specs, configs, strict=True):
        table.add_row(spec.rpartition(":")[2], *row(config))
    # A table cut to a narrow terminal would hide digits; lines that wrap do not.
    console = Console(width=max(Console().width, WIDTH))
    console.print(table)
    console.print(LEGEND, highlight=False)


def checkpoint_info(directory: str) -> None:
    """Print what a run's checkpoint holds.

    Args:
        directory: Directory of the checkpoint, or of the run, for its latest.

    Raises:
        InputError: If there is no checkpoint, or it cannot be read.
    """
    find_checkpoint(directory)
    # Imported here: a directory that is refused should not wait seconds for jax.
    from haqagen_jax.run.checkpoint import read
    from haqagen_jax.run.identity import fingerprint

    step, state, facts = read(directory)
    params = {name: state[name]["params"] for name in ("generator", "critic")}
    best = facts["position"].get("scores") or {}
    rows = {
        "step": f"{step} of {facts['settings']['train.steps']}",
        "written by": f"haqagen-jax {facts['package_version']}",
        "training data": facts["settings"]["training data"],
        "best validation": ", ".join(f"{k} {v:.3f}" for k, v in best.items()) or "none yet",
        "parameters": f"SHA-256 {fingerprint(params)}",
    }
    for name, value in rows.items():
        print(f"{name:16} {value}")
