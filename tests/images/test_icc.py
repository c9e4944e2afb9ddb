"""Little CMS reads the profile from every format, and the profile changes no pixel."""

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from haqagen_jax.images import files as image_files
from haqagen_jax.images import icc


def test_the_profile_is_srgb_and_has_no_date():
    profile = ImageCms.getOpenProfile(io.BytesIO(icc.profile()))
    assert "sRGB" in ImageCms.getProfileName(profile)
    assert icc.profile()[24:36] == bytes(12)
    # As a transform it gives the same colors as Little CMS's own profile.
    colors = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    lab = ImageCms.createProfile("LAB")
    ours, theirs = (
        np.asarray(ImageCms.profileToProfile(colors, one, lab, outputMode="LAB"))
        for one in (profile, ImageCms.createProfile("sRGB"))
    )
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_color_files_have_the_profile_and_gray_files_do_not(tmp_path, suffix):
    smooth = np.add.outer(np.arange(40), np.arange(50)).astype(np.uint8)
    colors = np.stack([smooth, 255 - smooth, smooth // 2], -1)
    path = tmp_path / f"a.{suffix}"
    image_files.write(path, colors)
    with Image.open(path) as image:
        assert image.info["icc_profile"] == icc.profile()
        image.load()
        written = np.asarray(image)
    if suffix == "jpg":
        plain = imagecodecs.jpeg8_encode(colors, level=95, subsampling="444")
        colors = imagecodecs.jpeg8_decode(plain)
    np.testing.assert_array_equal(written, colors)
    np.testing.assert_array_equal(imagecodecs.imread(path), colors)
    image_files.write(path, smooth)
    with Image.open(path) as image:
        assert "icc_profile" not in image.info


def test_a_jpeg_without_jfif_gets_the_profile():
    data = imagecodecs.jpeg8_encode(np.zeros((8, 8, 3), np.uint8))
    assert data[2:4] == b"\xff\xe0"
    length = int.from_bytes(data[4:6], "big")
    bare = bytes(data[:2] + data[4 + length :])
    with Image.open(io.BytesIO(icc.into_jpeg(bare))) as image:
        assert image.info["icc_profile"] == icc.profile()
        image.load()
