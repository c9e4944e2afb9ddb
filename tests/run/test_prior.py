"""Photographs become pairs; those that teach nothing are named; NIR is predicted, not copied."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from haqagen_jax import api, artifact
from haqagen_jax.config.schema import Config, DataConfig, ModelConfig
from haqagen_jax.data.folder import find_pairs, split_pairs
from haqagen_jax.data.pipeline import EvaluationBatches
from haqagen_jax.errors import InputError
from haqagen_jax.images import files as image_files
from haqagen_jax.models.color_prior import NirFromColor
from haqagen_jax.models.factory import init_generator
from haqagen_jax.run import prior
from haqagen_jax.run.photographs import make_pairs, read_photograph
from haqagen_jax.run.prior import agreement, pretrain_prior

REVERSE = Config(
    model=ModelConfig(architecture="nir_from_color", hsv_encoder="efficientnet_lite0"),
    data=DataConfig(direction="rgb_to_nir", whole=True, equalize=False),
)


@pytest.fixture(scope="module")
def variables():
    """Untrained, with a head that mixes the channels evenly and shifts nothing."""
    found = init_generator(jax.random.key(0), REVERSE.model)
    found["params"]["head"] = jax.tree.map(jnp.zeros_like, found["params"]["head"])
    return found


@pytest.fixture(scope="module")
def model(tmp_path_factory, variables):
    directory = tmp_path_factory.mktemp("nir") / "model"
    artifact.save(directory, REVERSE, variables)
    return directory


def colorful(height, width, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def test_an_even_mix_is_the_mean_and_detail_stays(variables):
    rgb = np.asarray(colorful(64, 96), np.float32)[None] / 255
    nir = jax.jit(NirFromColor().apply)(variables, rgb).rgb
    np.testing.assert_array_equal(nir[..., 0], nir[..., 2])
    np.testing.assert_allclose(nir[..., 0], rgb.mean(-1), rtol=0, atol=0.02)


def test_photographs_become_pairs_and_others_are_named(model, tmp_path, capsys):
    photographs, out = tmp_path / "photographs", tmp_path / "pairs"
    photographs.mkdir()
    colorful(70, 90).save(photographs / "a.webp", lossless=True)
    colorful(100, 1400).save(photographs / "b.jpg")
    colorful(90, 90).convert("L").save(photographs / "grey.png")
    colorful(90, 20).save(photographs / "tiny.png")
    (photographs / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n1234")
    whole = (photographs / "b.jpg").read_bytes()
    (photographs / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (photographs / "notes.txt").write_text("nothing to see")
    (photographs / "empty.png").touch()
    colorful(70, 90, seed=1).save(photographs / "b.png")
    (photographs / "folder").mkdir()
    made = make_pairs(photographs, model, out, progress=False)
    assert made.pairs == 2
    reasons = {
        "grey.png": "has no color",
        "tiny.png": "90x20 pixels are too few; 64 a side",
        "broken.png": "cannot be read",
        "cut.jpg": "cannot be read (image file is truncated",
        "notes.txt": "cannot be read",
        "empty.png": "cannot be read",
        "b.png": "b.jpg has its name; rename one",
    }
    assert len(made.left_out) == len(reasons)
    said = capsys.readouterr().err.splitlines()
    assert sorted(said) == sorted(f"haqagen: {line}" for line in made.left_out)
    for name, why in reasons.items():
        [line] = [line for line in made.left_out if f"/{name}: left out, as " in line]
        assert why in line
    pairs = find_pairs(out / "train")
    assert [pair.name for pair in pairs] == ["a", "b"]
    color = image_files.read_rgb(pairs[0].rgb)
    np.testing.assert_array_equal(color * 255, np.asarray(colorful(70, 90), np.float32))
    nir = image_files.read_nir(pairs[0].nir) / 255
    np.testing.assert_allclose(nir, color.mean(-1), rtol=0, atol=0.03)
    assert image_files.read_nir(pairs[1].nir).shape == (37, 512)
    assert [pair.name for pair in split_pairs([out], "train")] == ["a", "b"]


def test_pairs_that_are_there_are_kept(model, tmp_path):
    (tmp_path / "photographs").mkdir()
    colorful(70, 90).save(tmp_path / "photographs" / "a.png")
    options = (tmp_path / "photographs", model, tmp_path / "pairs")
    make_pairs(*options, progress=False)
    nir = tmp_path / "pairs" / "train" / "a_nir.png"
    before = nir.stat().st_mtime_ns
    assert make_pairs(*options, progress=False).pairs == 1
    assert nir.stat().st_mtime_ns == before
    nir.unlink()  # as after an interrupt
    make_pairs(*options, progress=False)
    assert nir.exists()


def test_turned_photographs_are_upright(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # to be turned by a quarter
    colorful(80, 120).save(tmp_path / "turned.png", exif=exif)
    assert read_photograph(tmp_path / "turned.png").shape == (120, 80, 3)


def test_nothing_usable_is_refused(model, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        make_pairs(tmp_path / "none", model, tmp_path / "out", progress=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: has no files; give a folder"):
        make_pairs(tmp_path / "empty", model, tmp_path / "out", progress=False)
    (tmp_path / "empty" / "notes.txt").touch()
    with pytest.raises(InputError, match="none of its 1 files is a color photograph"):
        make_pairs(tmp_path / "empty", model, tmp_path / "out", progress=False)
    assert not list((tmp_path / "out").rglob("*.png"))


def test_the_folder_is_looked_at_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(prior, "train", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(InputError, match="nowhere: no such folder; give one with color"):
        pretrain_prior([tmp_path], tmp_path / "nowhere", tmp_path / "w", REVERSE, progress=False)
    assert not (tmp_path / "w").exists()


def test_large_photographs_and_damaged_tags_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 6000)  # Pillow warns from here to twice as many
    colorful(80, 120).save(tmp_path / "large.png")
    assert read_photograph(tmp_path / "large.png").shape == (80, 120, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4000)
    with pytest.raises(InputError, match=r"large\.png: left out, .* cannot be read \(Image size"):
        read_photograph(tmp_path / "large.png")
    monkeypatch.undo()
    tags = b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x12\0\x03\xff\xff\xff\xff\0\6\0\0"
    colorful(80, 120).save(tmp_path / "tags.jpg", exif=tags)
    assert read_photograph(tmp_path / "tags.jpg").size == 80 * 120 * 3


def test_a_model_that_predicts_no_nir_is_refused(tmp_path, model):
    config = Config(model=ModelConfig(architecture="prior", hsv_encoder="efficientnet_lite0"))
    artifact.save(tmp_path / "m", config, init_generator(jax.random.key(0), config.model))
    with pytest.raises(InputError, match="is a prior model, which predicts no NIR"):
        make_pairs(tmp_path / "m", tmp_path / "m", tmp_path / "out", progress=False)
    with pytest.raises(InputError, match="predicts no NIR; give --config"):
        pretrain_prior([tmp_path], tmp_path, tmp_path / "w", config, progress=False)
    with pytest.raises(InputError, match="predicts NIR from color photographs, and colors nothing"):
        api.load(model)


@pytest.fixture
def pairs(tmp_path):
    """Pairs whose NIR image is the mean of the channels."""
    for i in range(2):
        rgb = np.asarray(colorful(96, 128, i))
        # From black to white, so that preparation changes nothing.
        nir = np.rint(rgb.mean(-1))
        nir = np.rint(255 * (nir - nir.min()) / np.ptp(nir)).astype(np.uint8)
        Image.fromarray(nir).save(tmp_path / f"{i}_nir.png")
        Image.fromarray(rgb).save(tmp_path / f"{i}_rgb.png")
    return find_pairs(tmp_path)


def test_the_other_direction_sees_color_and_learns_nir(pairs):
    [batch] = EvaluationBatches(pairs, REVERSE.data, batch_size=2)
    assert batch.nir.shape == batch.rgb.shape == (2, 256, 256, 3)
    np.testing.assert_array_equal(batch.rgb[..., 0], batch.rgb[..., 2])
    [usual] = EvaluationBatches(pairs, DataConfig(whole=True, equalize=False), batch_size=2)
    np.testing.assert_array_equal(batch.nir, usual.rgb)
    np.testing.assert_array_equal(batch.rgb[..., :1], usual.nir)


def test_agreement_is_that_of_numpy(model, pairs):
    ours, luma = agreement(model, pairs)
    assert ours.correlation > 0.999  # the mean of the channels, up to contrast
    [batch] = EvaluationBatches(pairs, REVERSE.data, batch_size=2)
    gray = 0.299 * batch.nir[..., 0] + 0.587 * batch.nir[..., 1] + 0.114 * batch.nir[..., 2]
    errors = [np.mean((g - t) ** 2) for g, t in zip(gray, batch.rgb[..., 0], strict=True)]
    np.testing.assert_allclose(luma.psnr, np.mean(-10 * np.log10(errors)), rtol=1e-5)
    expected = [
        np.corrcoef(g.ravel(), t.ravel())[0, 1]
        for g, t in zip(gray, batch.rgb[..., 0], strict=True)
    ]
    np.testing.assert_allclose(luma.correlation, np.mean(expected), rtol=1e-5)
