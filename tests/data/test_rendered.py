from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from haqagen_jax.data.folder import find_pairs
from haqagen_jax.data.rendered import Depth, write_pairs
from haqagen_jax.errors import InputError
from haqagen_jax.images import files as image_files
from haqagen_jax.synthetic import render

DEPTHS = (Depth.PNG_8, Depth.PNG_16, Depth.TIFF_16)


def test_pairs_read_back_within_half_a_level(tmp_path: Path) -> None:
    sizes = ((20, 30), (33, 17))
    pairs = write_pairs(tmp_path, count=6, sizes=sizes, depths=DEPTHS, seed=5)
    for index, pair in enumerate(pairs):
        depth = DEPTHS[index % 3]
        scene = render(5 + index, *sizes[index % 2])
        nir, rgb = image_files.read_nir(pair.nir), imagecodecs.imread(pair.rgb)
        top = np.iinfo(depth.dtype).max
        assert nir.dtype == rgb.dtype == depth.dtype
        # The 0.01 is for float32, which does not represent 16-bit levels exactly.
        assert np.abs(nir / top - scene.nir[..., 0].astype(np.float64)).max() <= 0.51 / top
        assert np.abs(rgb / top - scene.rgb.astype(np.float64)).max() <= 0.51 / top


def test_the_folder_holds_the_pairs_and_nothing_else(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "a" / "b", count=3, sizes=[(4, 6)], depths=DEPTHS, seed=8)
    assert [pair.name for pair in pairs] == ["scene_0008", "scene_0009", "scene_0010"]
    assert find_pairs(tmp_path / "a" / "b") == pairs
    assert len(list((tmp_path / "a" / "b").iterdir())) == 6


def test_writing_again_replaces_the_files(tmp_path: Path) -> None:
    for _ in range(2):
        (pair,) = write_pairs(tmp_path, count=1, sizes=[(4, 6)], depths=[Depth.PNG_8], seed=0)
        assert imagecodecs.imread(pair.nir).shape == (4, 6)
        pair.nir.write_bytes(b"spoiled")


def test_bad_arguments_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sizes = "):
        write_pairs(tmp_path, count=1, sizes=[], depths=DEPTHS, seed=0)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        write_pairs(blocked, count=1, sizes=[(1, 1)], depths=DEPTHS, seed=0)
