"""TIFF files with one directory entry changed: each is colored, or refused in one line.

Real files are damaged in more ways than cases can list; no exception of a library may end a run.
"""

import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tifffile

from haqagen_jax.batch.run import colorize_files
from haqagen_jax.batch.select import Rules
from haqagen_jax.images import source

IMAGE = np.random.default_rng(0).integers(0, 60_000, (40, 50), dtype=np.uint16)
GEOREFERENCE = [
    (33550, 12, 3, (0.5, 0.5, 0.0), True),
    (33922, 12, 6, (0.0, 0.0, 0.0, 4e5, 5e6, 0.0), True),
    (34735, 3, 12, (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633), True),
    (34736, 12, 2, (6378137.0, 298.25), True),
    (34737, 2, 0, "WGS 84 / UTM 33N|", True),
    (42113, 2, 0, "-9999", True),
]
LAYOUTS = [
    {"rowsperstrip": 7},
    {"rowsperstrip": 7, "compression": "lzw", "predictor": True},
    {"tile": (16, 16), "compression": "zlib"},
    {"tile": (16, 32)},
    {"photometric": "miniswhite"},
]
COUNTS = (0, 1, 2, 3, 5, 100, 65_535, 2**31, 2**32 - 1)
VALUES = (0, 1, 2, 3, 4, 5, 8, 16, 255, 65_535, 10**6, 2**31 - 1, 2**31, 2**32 - 1)


def entries(data: bytes) -> list[int]:
    """Return the offsets of the entries in the only directory of a little-endian classic TIFF."""
    (directory,) = struct.unpack_from("<I", data, 4)
    (number,) = struct.unpack_from("<H", data, directory)
    return [directory + 2 + 12 * i for i in range(number)]


def change(data: bytes, rng: np.random.Generator) -> bytes:
    """Change the type, the count, the value or the code of one entry."""
    changed, offsets = bytearray(data), entries(data)
    at = int(rng.choice(offsets))
    kind = rng.integers(4)
    if kind == 0:
        struct.pack_into("<H", changed, at + 2, int(rng.integers(0, 20)))
    elif kind == 1:
        struct.pack_into("<I", changed, at + 4, int(rng.choice(COUNTS)))
    elif kind == 2:
        value = rng.choice(VALUES) if rng.random() < 0.7 else rng.integers(0, len(data) + 50)
        struct.pack_into("<I", changed, at + 8, int(value))
    else:
        (code,) = struct.unpack_from("<H", data, int(rng.choice(offsets)))
        struct.pack_into("<H", changed, at, code if rng.random() < 0.7 else 65_000)
    return bytes(changed)


def write_changed(folder: Path, number: int, *, seed: int) -> None:
    """Write files with one change each, and one without a change."""
    rng = np.random.default_rng(seed)
    originals = []
    for i, layout in enumerate(LAYOUTS):
        path = folder / f"original_{i}.tif"
        tifffile.imwrite(
            path, IMAGE, extratags=GEOREFERENCE, resolution=(300, 300), resolutionunit=2, **layout
        )
        originals.append(path.read_bytes())
        path.unlink()
    for i in range(number):
        data = change(originals[i % len(originals)], rng)
        (folder / f"{i:05d}.tif").write_bytes(data)
    (folder / "good.tif").write_bytes(originals[0])


@pytest.mark.parametrize("in_parts", [True, False])
@pytest.mark.parametrize("number", [60, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_changed_file_ends_a_run(tmp_path, monkeypatch, capfd, number, in_parts):
    if in_parts:  # as files of more than a megapixel are
        monkeypatch.setattr(source, "BLOCK", 100)
    (tmp_path / "in").mkdir()
    write_changed(tmp_path / "in", number, seed=number + in_parts)
    # Sizes are changed, too; files that claim to be large would take too long.
    rules = Rules(max_pixels=4_000_000)
    status = colorize_files(
        [str(tmp_path / "in")], str(tmp_path / "out"), "grey", rules=rules, progress=False
    )
    out, err = capfd.readouterr()
    lines = [line for line in err.splitlines() if line]
    unexpected = [
        line for line in lines if "please report" in line or not line.startswith("haqagen:")
    ]
    assert unexpected == []
    colored, failed = (int(word) for word in out.replace(",", "").split()[:3:2])
    assert colored + failed == number + 1
    assert status == (1 if failed else 0)
    warned = [line for line in lines if "tags of" in line or "one gray" in line]
    named = Counter(line.split(": ")[1] for line in lines if line not in warned)
    assert len(named) == failed
    assert set(named.values()) <= {1}
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert "good_rgb.tif" in written
    assert len(written) == colored
    for name in written:
        assert tifffile.imread(tmp_path / "out" / name).shape[-1] == 3
