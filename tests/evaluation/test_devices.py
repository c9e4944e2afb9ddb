"""The same scores on one device and on eight, to the last printed digit."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIZES = ((300, 260), (256, 256), (90, 400), (520, 200), (40, 30))


@pytest.fixture
def data(tmp_path):
    """Smooth images of several sizes, so that a batch holds tiles of different ones."""
    for index, (h, w) in enumerate(SIZES):
        random = np.random.default_rng(index)
        small = random.integers(0, 256, (9, 9, 4)).astype(np.uint8)
        nir, rgb = (
            np.asarray(Image.fromarray(part).resize((w, h), Image.Resampling.BICUBIC))
            for part in (small[..., 0], small[..., 1:])
        )
        Image.fromarray(nir).save(tmp_path / f"{index}_nir.png")
        Image.fromarray(rgb).save(tmp_path / f"{index}_rgb.png")
    return tmp_path


def scores(data: Path, devices: int) -> str:
    flags = f"--xla_force_host_platform_device_count={devices}"
    words = (
        sys.executable,
        "-m",
        "haqagen_jax",
        "evaluate",
        "--data",
        data,
        "--mode",
        "whole,sliding,resize",
    )
    done = subprocess.run(
        [*map(str, words), "--out", str(data / str(devices))],
        env=os.environ | {"XLA_FLAGS": flags},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.slow
def test_one_and_eight(data):
    one, eight = scores(data, 1), scores(data, 8)
    assert f"means over {len(SIZES)} pairs" in one
    assert one == eight
    tables = [(data / str(devices) / "table.md").read_text() for devices in (1, 8)]
    assert tables[0] == tables[1]
