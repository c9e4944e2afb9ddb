import colorsys
import functools
import json
import pickle
import threading

import grain
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from haqagen_jax.config.schema import DataConfig
from haqagen_jax.data import pipeline, records
from haqagen_jax.data.folder import find_pairs
from haqagen_jax.data.pair import FilePair
from haqagen_jax.data.pipeline import EvaluationBatches, train_iterator
from haqagen_jax.data.transforms import random_crop
from haqagen_jax.errors import InputError
from haqagen_jax.images.resize import clamp_size, resize

PLAIN = DataConfig(precrop=0, equalize=False, flip=0.0, rotate=False, saturation=0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write five pairs: NIR and RGB both encode a pixel's position, and RGB the pair's number."""
    directory = tmp_path_factory.mktemp("pairs")
    for number in range(5):
        h, w = 256 + 8 * number, 300
        y, x = np.mgrid[:h, :w]
        nir = (y * w + x) % 65536
        rgb = np.stack([nir, np.full_like(nir, 13_000 * number), 65_535 - nir], axis=-1)
        (directory / f"{number}_nir.png").write_bytes(imagecodecs.png_encode(nir.astype("u2")))
        (directory / f"{number}_rgb.png").write_bytes(imagecodecs.png_encode(rgb.astype("u2")))
    return directory


@pytest.fixture(scope="module")
def pairs(folder):
    return find_pairs(folder)


def take(iterator, count):
    return [next(iterator) for _ in range(count)]


def prepared(pairs, data):
    return records.PairCache(pairs, functools.partial(records.prepare, data=data))


def assert_same(left, right):
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert a.nir.tobytes() == b.nir.tobytes()
        assert a.rgb.tobytes() == b.rgb.tobytes()


def test_a_batch_has_its_shapes_types_and_range(pairs):
    batch = next(train_iterator(pairs, DataConfig(), batch_size=3, seed=0))
    assert batch.nir.shape == (3, 256, 256, 1)
    assert batch.rgb.shape == (3, 256, 256, 3)
    for image in batch:
        assert image.dtype == np.float32
        assert image.min() >= 0
        assert image.max() <= 1


def test_both_images_of_a_pair_get_the_same_geometry(pairs):
    data = DataConfig(equalize=False, saturation=0.0)
    for batch in take(train_iterator(pairs, data, batch_size=4, seed=1), 6):
        for nir, rgb in zip(batch.nir, batch.rgb, strict=True):
            slope, offset = np.polyfit(nir[..., 0].ravel(), rgb[..., 0].ravel(), 1)
            fitted = slope * nir[..., 0] + offset  # min-max of the NIR is linear
            np.testing.assert_allclose(fitted, rgb[..., 0], atol=3e-5)


def test_an_epoch_holds_every_pair_once_in_a_new_order_each_time(pairs):
    batches = take(train_iterator(pairs, PLAIN, batch_size=1, seed=0), 30)
    seen = [round(float(batch.rgb[0, 0, 0, 1]) * 65_535 / 13_000) for batch in batches]
    epochs = [seen[i : i + 5] for i in range(0, 30, 5)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 2


def test_the_nir_is_equalized_over_the_whole_image_before_the_crop(tmp_path):
    rng = np.random.default_rng(0)
    nir = rng.integers(0, 60, (256, 512), dtype=np.uint8)
    nir[:, 256:] += 190  # the right half is bright: alone, it would be stretched to all of [0, 1]
    Image.fromarray(nir).save(tmp_path / "a_nir.png")
    Image.fromarray(np.stack([nir] * 3, -1)).save(tmp_path / "a_rgb.png")
    pairs = find_pairs(tmp_path)
    counts = np.bincount(nir.ravel(), minlength=256).cumsum()
    low = counts[nir.min()]
    expected = (counts - low) / (nir.size - low)
    for batch in take(train_iterator(pairs, DataConfig(), batch_size=1, seed=0), 3):
        levels = np.rint(batch.rgb[0, ..., 0] * 255).astype(int)
        np.testing.assert_allclose(batch.nir[0, ..., 0], expected[levels], atol=1e-5)


def test_saturation_changes_the_color_image_only(pairs):
    plain = next(train_iterator(pairs, PLAIN, batch_size=4, seed=0))
    jitter = DataConfig(precrop=0, equalize=False, flip=0.0, rotate=False, saturation=0.1)
    jittered = next(train_iterator(pairs, jitter, batch_size=4, seed=0))
    assert jittered.nir.tobytes() == plain.nir.tobytes()
    factors = []
    for before, after in zip(plain.rgb, jittered.rgb, strict=True):
        h0, s0, v0 = colorsys.rgb_to_hsv(*(float(c) for c in before[128, 128]))
        h1, s1, v1 = colorsys.rgb_to_hsv(*(float(c) for c in after[128, 128]))
        np.testing.assert_allclose([h1, v1], [h0, v0], atol=1e-5)
        factors.append(s1 / s0)
    assert all(0.9 <= factor <= 1.1 for factor in factors)
    assert len({round(factor, 4) for factor in factors}) == 4


def test_long_sides_are_clamped_and_small_images_padded(tmp_path):
    ramp = np.rint(np.linspace(0, 65_535, 1024)).astype("u2")
    nir = np.broadcast_to(ramp, (100, 1024))
    tifffile.imwrite(tmp_path / "a_nir.tif", nir)
    tifffile.imwrite(tmp_path / "a_rgb.tif", np.stack([nir] * 3, axis=-1))
    batch = next(train_iterator(find_pairs(tmp_path), PLAIN, batch_size=1, seed=0))
    step = np.diff(batch.nir[0, 128, 100:150, 0]).mean() * 511
    np.testing.assert_allclose(step, 1.0, atol=0.02)  # 1024 became 512
    np.testing.assert_allclose(batch.nir[0], batch.rgb[0, ..., :1], atol=1e-4)


@pytest.mark.parametrize("size", [(288, 300), (540, 700), (768, 1024), (780, 1040)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_crop_of_a_large_image_is_cut_from_the_clamped_image(tmp_path, size, dtype):
    """Against an image that was clamped as a whole."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (*size, 3)).astype(dtype) * (257 if dtype == "uint16" else 1)
    tifffile.imwrite(tmp_path / "a_nir.tif", rgb[..., 0])
    tifffile.imwrite(tmp_path / "a_rgb.tif", rgb)
    (pair,) = find_pairs(tmp_path)
    image = records.prepare(pair, PLAIN)
    assert image.size == clamp_size(size, 512)
    assert (image.nbytes > 16 * 512 * 512) == (size == (768, 1024)) or max(size) < 1024
    whole = resize(rgb, image.size)
    for _ in range(4):
        window = random_crop(image.size, rng, crop=256, precrop=0)
        top, left = window[:2]
        expected = whole[top : top + 256, left : left + 256]
        cut = image.cut(window)
        np.testing.assert_allclose(cut[..., 1:], expected, atol=3e-4)
        np.testing.assert_allclose(cut[..., 0], expected[..., 0], atol=3e-4)  # all of [0, 1]


def test_the_stream_resumes_with_the_next_batch(pairs):
    data = DataConfig()
    # 5 pairs and batches of 3: some batches span two epochs.
    whole = take(train_iterator(pairs, data, batch_size=3, seed=7), 9)
    first = train_iterator(pairs, data, batch_size=3, seed=7)
    for done in range(5):
        state = json.loads(json.dumps(first.get_state()))
        resumed = train_iterator(pairs, data, batch_size=3, seed=7)
        resumed.set_state(state)
        assert_same(take(resumed, 2), whole[done : done + 2])
        next(first)
    first.set_state({**state})  # back, on an iterator that has read ahead
    assert_same(take(first, 2), whole[4:6])


def test_a_seed_repeats_its_stream_and_another_seed_differs(pairs):
    one, again, other = (
        take(train_iterator(pairs, DataConfig(), batch_size=2, seed=seed), 2) for seed in (1, 1, 2)
    )
    assert_same(one, again)
    assert one[0].nir.tobytes() != other[0].nir.tobytes()


def test_two_processes_share_the_stream_of_one(pairs):
    options = {"batch_size": 4, "seed": 3}
    whole = take(train_iterator(pairs, DataConfig(), **options), 3)
    shards = [
        pipeline._batches(pairs, DataConfig(), shards=grain.sharding.ShardOptions(i, 2), **options)
        for i in range(2)
    ]
    for batch in whole:
        for shard, iterator in enumerate(shards):
            part = next(iterator)
            assert part["nir"].tobytes() == batch.nir[shard::2].tobytes()
            assert part["rgb"].tobytes() == batch.rgb[shard::2].tobytes()


@pytest.mark.filterwarnings("ignore")  # the workers' shared memory, at interpreter exit
def test_worker_processes_give_the_same_stream_and_resume(pairs):
    whole = take(train_iterator(pairs, DataConfig(), batch_size=3, seed=7), 8)
    worked = train_iterator(pairs, DataConfig(workers=2), batch_size=3, seed=7)
    assert_same(take(worked, 4), whole[:4])
    resumed = train_iterator(pairs, DataConfig(workers=2), batch_size=3, seed=7)
    resumed.set_state(worked.get_state())
    assert_same(take(resumed, 4), whole[4:])


def test_the_cache_is_bounded_and_changes_no_batch(pairs, monkeypatch):
    kept = take(train_iterator(pairs, DataConfig(), batch_size=2, seed=0), 6)
    one = prepared(pairs, DataConfig())[0].nbytes
    monkeypatch.setattr(records, "CACHE_BYTES", int(2.07 * one))
    assert_same(take(train_iterator(pairs, DataConfig(), batch_size=2, seed=0), 6), kept)
    source = prepared(pairs, DataConfig())
    for index, kept_indices in ((0, {0}), (1, {0, 1}), (0, {0, 1}), (2, {0, 2}), (4, {4})):
        source[index]
        assert set(source._cache) == kept_indices  # pair 4 is larger
        assert source._bytes == sum(image.nbytes for image in source._cache.values())
    assert not pickle.loads(pickle.dumps(source))._cache  # workers start empty


@pytest.mark.parametrize(("processes", "size"), [(1, 2), (2, 2), (3, 1), (4, 3)])
def test_evaluation_has_every_pair_once_for_any_processes_and_batch(pairs, processes, size):
    shares = [
        list(
            EvaluationBatches(
                pairs,
                PLAIN,
                batch_size=size * processes,
                shards=grain.sharding.ShardOptions(p, processes),
            )
        )
        for p in range(processes)
    ]
    assert len({len(share) for share in shares}) == 1  # otherwise a collective would never end
    seen = []
    for batch in (batch for share in shares for batch in share):
        assert batch.nir.shape == (size, 256, 256, 1)
        assert batch.rgb.shape == (size, 256, 256, 3)
        assert batch.real.shape == (size,)
        seen += [round(float(x) * 65_535 / 13_000) for x in batch.rgb[batch.real, 0, 0, 1]]
    assert sorted(seen) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore")  # the workers' shared memory, at interpreter exit
def test_every_evaluation_is_the_same(pairs, workers):
    batches = EvaluationBatches(pairs, DataConfig(workers=workers), batch_size=2)
    first, second, third = (list(batches) for _ in range(3))
    for again in (second, third):
        assert len(again) == len(first) == 3
        for one, other in zip(again, first, strict=True):
            assert [x.tobytes() for x in one] == [x.tobytes() for x in other]


def test_a_pair_is_decoded_once_for_all_evaluations_and_not_in_the_main_thread(pairs, monkeypatch):
    decode, decoded = records.decode_stored, []

    def counting(encoded):
        decoded.append((encoded.nir_source, threading.current_thread()))
        return decode(encoded)

    monkeypatch.setattr(records, "decode_stored", counting)
    batches = EvaluationBatches(pairs, PLAIN, batch_size=2)
    for _ in range(3):
        list(batches)
    assert sorted(path for path, _ in decoded) == sorted(str(pair.nir) for pair in pairs)
    assert threading.main_thread() not in {thread for _, thread in decoded}


def test_an_evaluation_crop_is_the_center_of_its_image(pairs):
    (batch,) = EvaluationBatches(pairs[4:], DataConfig(equalize=False), batch_size=1)
    nir, rgb, _ = records.load(pairs[4], DataConfig(equalize=False))  # 288 x 300
    np.testing.assert_allclose(batch.rgb[0], rgb[16:272, 22:278] / 65_535, atol=1e-5)
    np.testing.assert_allclose(batch.nir[0], nir[16:272, 22:278], atol=1e-5)


def test_a_sample_depends_on_the_seed_the_epoch_and_its_record_alone(pairs):
    """Each sample is computed again by `_sample`, without a stream."""
    images = prepared(pairs, DataConfig())
    batches = take(train_iterator(pairs, DataConfig(), batch_size=1, seed=5), 10)
    for position, batch in enumerate(batches):
        rebuilt = [
            pipeline._sample(images, position // 5 * 5, record, data=DataConfig(), seed=5)["nir"]
            for record in range(5)
        ]
        assert sum(nir.tobytes() == batch.nir.tobytes() for nir in rebuilt) == 1


def test_each_epoch_and_each_seed_augments_differently(pairs):
    """Not only the order of the pairs depends on them."""
    images = prepared(pairs, DataConfig())

    def sample(epoch, seed):
        position = 5 * epoch + 3
        return pipeline._sample(images, position, 4, data=DataConfig(), seed=seed)["rgb"].tobytes()

    assert sample(0, 1) == sample(0, 1)
    assert len({sample(epoch, seed) for epoch in (0, 1, 2) for seed in (1, 2, 3)}) == 9


def test_the_saturation_jitter_applies_to_encoded_colors(pairs):
    """The jitter comes before the conversion to linear light."""
    options = {"precrop": 0, "equalize": False, "flip": 0.0, "rotate": False}
    encoded, linear = (
        next(
            train_iterator(
                pairs, DataConfig(rgb_transfer=transfer, **options), batch_size=4, seed=0
            )
        ).rgb.astype(np.float64)
        for transfer in ("srgb", "linear")
    )
    expected = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(linear, expected, atol=1e-6)


def test_the_names_of_a_batch_are_those_of_its_pairs(pairs):
    batches = take(train_iterator(pairs, PLAIN, batch_size=3, seed=6), 7)
    for step, batch in enumerate(batches, start=1):
        shown = [str(round(float(x) * 65_535 / 13_000)) for x in batch.rgb[:, 0, 0, 1]]
        assert pipeline.batch_names(pairs, batch_size=3, seed=6, step=step) == shown


def test_linear_transfer_and_minmax_apply_to_the_rgb(pairs):
    def crop(**options):
        (batch,) = EvaluationBatches(pairs[4:], DataConfig(**options), batch_size=1)
        return batch

    srgb, linear = crop(), crop(rgb_transfer="linear")
    encoded = srgb.rgb.astype(np.float64)
    decoded = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(linear.rgb, decoded, atol=1e-6)
    np.testing.assert_array_equal(linear.nir, srgb.nir)
    _, whole, _ = records.load(pairs[4], DataConfig())
    _, stretched, _ = records.load(pairs[4], DataConfig(rgb_minmax=True))
    low, high = int(whole.min()), int(whole.max())
    np.testing.assert_allclose(stretched, (whole - low) / (high - low), atol=1e-6)
    batch = next(train_iterator(pairs, DataConfig(rgb_transfer="linear"), batch_size=2, seed=0))
    assert batch.rgb.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "image", "problem"),
    [
        ("nir", np.full((9, 9), 7, np.uint8), "all 81 pixels have the value 7"),
        ("nir", np.arange(243).reshape(3, 9, 9).T.astype("u1"), "is a color photograph"),
        ("rgb", np.zeros((9, 9), np.uint8), "has shape"),
        ("rgb", np.full((9, 9, 3), 2.0, np.float32), "is float32"),
        ("rgb", np.zeros((9, 8, 3), np.uint8), r"a_nir.tif is 9x9 but .*a_rgb.tif is 8x9"),
    ],
)
def test_an_image_of_the_wrong_kind_is_named(tmp_path, name, image, problem):
    tifffile.imwrite(tmp_path / "a_nir.tif", np.arange(81, dtype=np.uint8).reshape(9, 9))
    tifffile.imwrite(tmp_path / "a_rgb.tif", np.zeros((9, 9, 3), np.uint8))
    photometric = "rgb" if image.ndim == 3 else "minisblack"
    tifffile.imwrite(tmp_path / f"a_{name}.tif", image, photometric=photometric)
    pair = FilePair("a", tmp_path / "a_nir.tif", tmp_path / "a_rgb.tif")
    with pytest.raises(InputError, match=problem) as caught:
        records.load(pair, DataConfig())
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(getattr(pair, "nir" if "8x9" in problem else name)))


def test_the_training_iterator_raises_errors_unchanged(tmp_path):
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "a_nir.png")
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "a_rgb.png")
    batches = train_iterator(find_pairs(tmp_path), DataConfig(), batch_size=1, seed=0)
    with pytest.raises(InputError, match=r"a_nir\.png: all 81 pixels have the value 0"):
        next(batches)


@pytest.mark.parametrize("extension", ["png", "jpg", "tif"])
def test_a_truncated_file_is_named(tmp_path, extension):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for band, image in (("nir", noise[..., 0]), ("rgb", noise)):
        path = tmp_path / f"a_{band}.{extension}"
        tifffile.imwrite(path, image) if extension == "tif" else Image.fromarray(image).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=rf"a_rgb\.{extension}: truncated"):
        records.load(find_pairs(tmp_path)[0], DataConfig())


def test_gray_saved_as_color_is_read_as_nir(tmp_path):
    gray = np.arange(81, dtype=np.uint8).reshape(9, 9)
    for path, image in (("a_nir", gray), ("b_nir", np.stack([gray] * 3, -1))):
        Image.fromarray(image).save(tmp_path / f"{path}.png")
        Image.fromarray(np.stack([gray] * 3, -1)).save(tmp_path / f"{path[0]}_rgb.png")
    one, two = (records.load(pair, DataConfig()) for pair in find_pairs(tmp_path))
    np.testing.assert_array_equal(one[0], two[0])
