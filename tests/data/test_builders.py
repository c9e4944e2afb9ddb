"""Data sets laid out as published, with few or tiny files, are built and read back."""

import json
import subprocess
import sys

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from haqagen_jax.config.schema import DataConfig
from haqagen_jax.data import build, built, catalog, records
from haqagen_jax.data.folder import split_pairs
from haqagen_jax.data.pipeline import train_iterator
from haqagen_jax.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore")  # of tensorflow-datasets' own imports
SPLITS = ("train", "val", "test")


def random_pair(seed, h=9, w=12, bits=8):
    rng = np.random.default_rng(seed)
    kind = np.uint8 if bits == 8 else np.uint16
    return rng.integers(0, 2**bits, (h, w), kind), rng.integers(0, 2**bits, (h, w, 3), kind)


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tiff":
        tifffile.imwrite(path, image)
    else:
        Image.fromarray(image).save(path)


def vcip2020(raw, index):
    base = raw / "NIR_VCIP_Challenge_dataset"
    if index % 10 == 0:  # the validation and the test part lie in one folder each
        folder, name = ("Validation", "Testing")[index // 10 % 2], f"{index:04d}"
        return base / folder / f"{name}_nir_reg.png", base / folder / f"{name}_rgb_reg.png"
    name = f"country_{index:04d}"
    return base / "NIR" / f"{name}_nir.png", base / "RGB-Registered" / f"{name}_rgb_reg.png"


def folders(raw, index):
    return raw / "NIR" / f"{index:05d}.png", raw / "RGB" / f"{index:05d}.png"


def suffixes(raw, index):
    return raw / f"{index:05d}_nir.png", raw / f"{index:05d}_rgb.png"


def rgb2nir(raw, index):
    folder = raw / "nirscene1" / catalog.RGB2NIR.names[index % 9]
    return folder / f"{index // 9:04d}_nir.tiff", folder / f"{index // 9:04d}_rgb.tiff"


LAYOUTS = [
    ("vcip2020", vcip2020, 8),
    ("fanvid", folders, 8),
    ("omsiv", suffixes, 8),
    ("rgb2nir", rgb2nir, 16),
]


@pytest.mark.parametrize(("name", "layout", "bits"), LAYOUTS, ids=[row[0] for row in LAYOUTS])
def test_a_published_layout_is_built_and_read_back_byte_for_byte(tmp_path, name, layout, bits):
    for index in range(30):
        for path, image in zip(
            layout(tmp_path / "raw", index), random_pair(index, bits=bits), strict=True
        ):
            write(path, image)
    write(tmp_path / "raw" / "RGB-Online" / "country_0000_rgb_onl.png", random_pair(0)[1])
    target = build.build(name, tmp_path / "out", raw=tmp_path / "raw", partial=True)
    assert target == tmp_path / "out" / name / "1.0.0"
    files = {path.read_bytes() for index in range(30) for path in layout(tmp_path / "raw", index)}
    stored, names = [], []
    for split in SPLITS:
        for pair in split_pairs([tmp_path / "out"], split):
            encoded = pair.encoded()
            stored += [encoded.nir, encoded.rgb]
            names.append(pair.name)
            nir, _ = random_pair(0)
            read = records.load(pair, DataConfig(equalize=False))
            assert [image.shape for image in read[:2]] == [(*nir.shape, 1), (*nir.shape, 3)]
    assert len(stored) == 60
    assert set(stored) == files
    assert len(set(names)) == 30
    assert not list((tmp_path / "out").glob("**/*incomplete*"))


def test_16_bits_are_kept(tmp_path):
    nir, rgb = random_pair(3, bits=16)
    for name in ("a", "b", "c"):
        tifffile.imwrite(tmp_path / f"{name}_nir.tif", nir, byteorder=">", compression="zlib")
        tifffile.imwrite(tmp_path / f"{name}_rgb.tif", rgb, tile=(16, 16), compression="lzw")
    rows = "".join(f"{n}_nir.tif,{n}_rgb.tif,{s}\n" for n, s in zip("abc", SPLITS, strict=True))
    (tmp_path / "pairs.csv").write_text("nir,rgb,split\n" + rows)
    target = build.build("pairs", tmp_path / "out", raw=tmp_path)
    (pair,) = split_pairs([target], "val")
    read = records.load(pair, DataConfig(equalize=False))
    low, high = int(nir.min()), int(nir.max())
    np.testing.assert_allclose(read[0][..., 0], (nir - low) / (high - low), atol=1e-7)
    np.testing.assert_array_equal(read[1], rgb)


@pytest.mark.parametrize("published", catalog.SETS.values(), ids=lambda published: published.name)
def test_splits_have_the_sizes_of_table_1(tmp_path, published):
    layout = {name: layout for name, layout, _ in LAYOUTS}[published.name]
    write_raw(published, tmp_path, layout)
    splits = split_raw(published, tmp_path)
    assert tuple(len(splits[split]) for split in SPLITS) == TABLE_1[published.name]
    names = [pair.name for split in SPLITS for pair in splits[split]]
    assert len(set(names)) == published.pairs


TABLE_1 = {
    "vcip2020": (320, 40, 40),
    "fanvid": (4100, 514, 530),
    "omsiv": (426, 53, 53),
    "rgb2nir": (382, 48, 47),
}


def write_raw(published, raw, layout):
    """Fill a directory with as many pairs as the set has, of two pixels each."""
    encode = imagecodecs.png_encode if published is not catalog.RGB2NIR else imagecodecs.tiff_encode
    contents = [bytes(encode(image)) for image in random_pair(0, 1, 2)]
    for index in range(published.pairs):
        for path, content in zip(layout(raw, index), contents, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def split_raw(published, raw):
    found = catalog.find(published, raw)
    catalog.require_whole(published, found, raw)
    return catalog.split(published, found.pairs, raw)


def test_official_splits_are_kept(tmp_path):
    """Folders split the set as Table 1 does; a parent folder named `test` means nothing."""
    raw = tmp_path / "test" / "fanvid"

    def layout(raw, index):
        split = "train" if index < 4100 else "Validation" if index < 4614 else "testing"
        return (raw / split / band / f"{index:05d}.png" for band in ("nir", "rgb"))

    write_raw(catalog.FANVID, raw, layout)
    splits = split_raw(catalog.FANVID, raw)
    for split, folder in zip(SPLITS, ("train", "Validation", "testing"), strict=True):
        assert {pair.nir.parts[-3] for pair in splits[split]} == {folder}
    assert tuple(len(splits[split]) for split in SPLITS) == TABLE_1["fanvid"]


def test_official_splits_of_other_sizes_are_brought_to_those_of_table_1(tmp_path):
    """A set of 332 / 28 / 40 pairs: those that were held out stay so."""

    def layout(raw, index):
        if index < 332:
            return (
                raw / "NIR" / f"country_{index:04d}_nir.png",
                raw / "RGB-Registered" / f"country_{index:04d}_rgb_reg.png",
            )
        folder = "Validation" if index < 360 else "Testing"
        # Both folders count from 0.
        name = f"{index - (332 if index < 360 else 360):04d}"
        return raw / folder / f"{name}_nir_reg.png", raw / folder / f"{name}_rgb_reg.png"

    write_raw(catalog.VCIP2020, tmp_path, layout)
    splits = split_raw(catalog.VCIP2020, tmp_path)
    assert tuple(len(splits[split]) for split in SPLITS) == TABLE_1["vcip2020"]
    folders = {s: [pair.nir.parent.name for pair in splits[s]] for s in SPLITS}
    assert set(folders["train"]) == {"NIR"}
    assert set(folders["test"]) == {"Testing"}
    assert folders["val"].count("Validation") == 28


@pytest.mark.parametrize("extra", [-1, 1])
def test_another_number_of_pairs_is_refused(tmp_path, extra):
    write_raw(catalog.OMSIV._replace(counts={"train": 532 + extra}), tmp_path, suffixes)
    found = catalog.find(catalog.OMSIV, tmp_path)
    with pytest.raises(InputError, match=f"holds {532 + extra} of the 532 pairs of omsiv"):
        catalog.require_whole(catalog.OMSIV, found, tmp_path)


def test_two_recordings_cannot_make_three_splits(tmp_path):
    for index in range(20):
        for band, image in zip(("nir", "rgb"), random_pair(index), strict=True):
            write(tmp_path / "raw" / f"session_{index % 2}" / band / f"{index}.png", image)
    with pytest.raises(InputError, match=r"fanvid: 20 pairs leave (val|test) empty"):
        build.build("fanvid", tmp_path / "out", raw=tmp_path / "raw", partial=True)


def test_a_recording_is_in_one_split_only(tmp_path):
    def layout(raw, index):
        recording = f"session_{int(index**0.5):02d}"  # of 1 to 143 frames
        return (raw / recording / band / f"{index:05d}.png" for band in ("nir", "vis"))

    write_raw(catalog.FANVID, tmp_path, layout)
    splits = split_raw(catalog.FANVID, tmp_path)
    sides = [{pair.nir.parts[-3] for pair in splits[split]} for split in SPLITS]
    assert sum(len(side) for side in sides) == len(set.union(*sides)) == 72
    for split, count in zip(SPLITS, TABLE_1["fanvid"], strict=True):
        assert abs(len(splits[split]) - count) <= 3


def test_a_set_that_is_partly_unpacked_is_refused(tmp_path):
    for index in range(18):
        if index % 9 != 8:  # all scenes but water
            for path, image in zip(rgb2nir(tmp_path, index), random_pair(index), strict=True):
                write(path, image)
    with pytest.raises(InputError, match=r"holds 16 of the 477 pairs of rgb2nir \(no water\)"):
        build.build("rgb2nir", tmp_path / "out", raw=tmp_path)
    assert not list((tmp_path / "out").rglob("*.array_record*"))
    with pytest.raises(InputError, match="holds nothing of vcip2020"):
        build.build("vcip2020", tmp_path / "out", raw=tmp_path / "nirscene1" / "country")


@pytest.fixture
def root(tmp_path):
    """Write thirty pairs in train, val and test; train/a_03 is damaged."""
    for index in range(30):
        for band, image in zip(("nir", "rgb"), random_pair(index), strict=True):
            folder = SPLITS[0 if index < 20 else index % 2 + 1]
            write(tmp_path / "raw" / folder / f"a_{index:02d}_{band}.png", image)
    damaged = tmp_path / "raw" / "train" / "a_03_rgb.png"
    damaged.write_bytes(damaged.read_bytes()[:-40])
    return tmp_path


def test_a_corrupt_pair_stops_the_build_and_leaves_no_files(root):
    with pytest.raises(InputError, match=r"a_03_rgb\.png: truncated or damaged"):
        build.build("pairs", root / "out", raw=root / "raw")
    assert not list((root / "out").rglob("*.array_record*"))
    assert not list((root / "out").rglob("*.json"))


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (np.full((9, 12), 7, np.uint8), "all 108 pixels have the value 7"),
        (np.full((9, 12), np.nan, np.float32), "108 of 108 pixels hold no data"),
    ],
)
def test_a_pair_that_cannot_be_prepared_is_refused(root, image, problem):
    damaged = root / "raw" / "train" / "a_03_rgb.png"
    Image.fromarray(random_pair(3)[1]).save(damaged)
    (root / "raw" / "train" / "a_03_nir.png").unlink()
    tifffile.imwrite(root / "raw" / "train" / "a_03_nir.tiff", image)
    with pytest.raises(InputError, match=rf"a_03_nir\.tiff: {problem}"):
        build.build("pairs", root / "out", raw=root / "raw")


@pytest.mark.parametrize("name", ["pairs", "fanvid"])
def test_files_without_a_header_can_be_skipped(tmp_path, name):
    for index in range(30):
        for path, image in zip(folders(tmp_path / "raw", index), random_pair(index), strict=True):
            write(path, image)
    bad = {
        tmp_path / "raw" / "NIR" / "00007.png": b"",
        tmp_path / "raw" / "RGB" / "00009.png": b"x",
    }
    for path, content in bad.items():
        path.write_bytes(content)
    with pytest.raises(InputError, match="2 of 30 names cannot be read as images"):
        build.build(name, tmp_path / "out", raw=tmp_path / "raw", partial=True)
    target = build.build(
        name, tmp_path / "out", raw=tmp_path / "raw", partial=True, skip_corrupt=True
    )
    assert sum(len(split_pairs([target], split)) for split in SPLITS) == 28
    lines = built.skipped(target)
    assert len(lines) == 2
    assert all(any(str(path) in line for line in lines) for path in bad)


def test_a_corrupt_pair_can_be_skipped_and_is_counted(root):
    target = build.build("pairs", root / "out", raw=root / "raw", skip_corrupt=True)
    assert len(split_pairs([target], "train")) == 19
    (line,) = built.skipped(target)
    assert "a_03_rgb.png: truncated or damaged" in line
    assert "1 skipped" in build.report(target)
    assert "a_03" not in [pair.name for pair in split_pairs([target], "train")]


def test_a_split_whose_pairs_are_all_skipped_is_named(root):
    for path in (root / "raw" / "val").glob("*_rgb.png"):
        path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"val is empty, as all of its \d+ pairs were skipped"):
        build.build("pairs", root / "out", raw=root / "raw", skip_corrupt=True)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"name": "synthetic", "seed": -1}, "--seed -1: must be 0 or more"),
        (
            {"name": "synthetic", "size": (999_999, 999_999)},
            "--size 999999x999999: must be at most",
        ),
        ({"name": "pairs"}, "--raw is needed; give the folder that the originals of pairs are in"),
        ({"name": "pairs", "raw": "nowhere"}, "--raw nowhere: is no folder"),
        (
            {"name": "rgb2nir", "raw": "empty"},
            "--raw empty: is empty; put the originals of rgb2nir",
        ),
        (
            {"name": "pairs", "raw": "raw", "out": "raw"},
            "--out raw: is the folder of the originals",
        ),
        ({"name": "pairs", "raw": "sets"}, "--raw sets: holds a data set that was built"),
        ({"name": "nothing"}, "nothing: no such data set; choose one of vcip2020"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(root, monkeypatch, options, problem):
    monkeypatch.chdir(root)
    (root / "empty").mkdir()
    (root / "sets" / "pairs" / "1.0.0").mkdir(parents=True)
    (root / "sets" / "pairs" / "1.0.0" / "dataset_info.json").touch()
    before = sorted(root.rglob("*"))
    with pytest.raises(InputError) as caught:
        build.build(**{"out": "out", **options})
    assert problem in str(caught.value)
    assert sorted(root.rglob("*")) == before


def test_a_replaced_data_set_is_read_again(tmp_path):
    for seed in (0, 50):
        target = build.build(
            "synthetic", tmp_path, count=10, size=(8, 8), seed=seed, overwrite=True
        )
        for pair in split_pairs([target], "train"):
            assert pair.scene == pair.name


def test_an_interrupt_between_the_renames_keeps_the_old_data_set(tmp_path, monkeypatch):
    target = build.build("synthetic", tmp_path, count=10, size=(8, 8))
    rename = type(tmp_path).rename

    def fail(self, other):
        if ".building-" in str(self) and str(other) == str(target) and self.name != "old":
            raise KeyboardInterrupt
        return rename(self, other)

    monkeypatch.setattr(type(tmp_path), "rename", fail)
    with pytest.raises(KeyboardInterrupt):
        build.build("synthetic", tmp_path, count=10, size=(8, 8), seed=50, overwrite=True)
    assert next(pair.name for pair in split_pairs([target], "val")) < "scene_000010"


def test_an_existing_data_set_is_kept_without_overwrite(root):
    options = {"raw": root / "raw", "skip_corrupt": True}
    target = build.build("pairs", root / "out", **options)
    before = (target / "metadata.json").stat().st_mtime_ns
    with pytest.raises(InputError, match="exists; give --overwrite"):
        build.build("pairs", root / "out", **options)
    assert (target / "metadata.json").stat().st_mtime_ns == before
    (root / "raw" / "train" / "a_03_nir.png").unlink()
    (root / "raw" / "train" / "a_03_rgb.png").unlink()
    build.build("pairs", root / "out", overwrite=True, **options)
    assert not built.skipped(target)


def test_a_failed_overwrite_keeps_the_old_data_set(root):
    target = build.build("pairs", root / "out", raw=root / "raw", skip_corrupt=True)
    with pytest.raises(InputError, match="truncated or damaged"):
        build.build("pairs", root / "out", raw=root / "raw", overwrite=True)
    assert len(split_pairs([target], "train")) == 19


def test_an_empty_split_is_refused(tmp_path):
    for band, image in zip(("nir", "rgb"), random_pair(0), strict=True):
        write(tmp_path / "raw" / f"a_{band}.png", image)
    with pytest.raises(InputError, match="falls into"):
        build.build("pairs", tmp_path / "out", raw=tmp_path / "raw")


def test_rendered_scenes_are_a_data_set_for_training(tmp_path):
    target = build.build("synthetic", tmp_path, count=10, size=(40, 60), seed=3)
    names = [pair.name for split in SPLITS for pair in split_pairs([target], split)]
    assert sorted(names) == [f"scene_{seed:06d}" for seed in range(3, 13)]
    pairs = split_pairs([target], "train")
    batch = next(train_iterator(pairs, DataConfig(), batch_size=2, seed=0))
    assert batch.rgb.std() > 0.05
    with pytest.raises(InputError, match="--count 9"):
        build.build("synthetic", tmp_path, count=9)


def test_a_damaged_data_set_is_named(tmp_path):
    target = build.build("synthetic", tmp_path, count=10, size=(8, 8))
    metadata = json.loads((target / "metadata.json").read_text())
    metadata["names"]["val"].append("one too many")
    (target / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(InputError, match="val has 1 records but 2 names"):
        split_pairs([target], "val")
    build.build("synthetic", tmp_path / "more", count=10, size=(8, 8))
    build.build("synthetic", tmp_path / "more" / "again", count=10, size=(8, 8))


def test_two_data_sets_in_one_directory_are_refused(tmp_path):
    build.build("synthetic", tmp_path, count=10, size=(8, 8))
    for index in range(30):
        for band, image in zip(("nir", "rgb"), random_pair(index), strict=True):
            write(tmp_path / "raw" / f"a_{index:02d}_{band}.png", image)
    build.build("pairs", tmp_path, raw=tmp_path / "raw")
    with pytest.raises(InputError, match="holds 2 data sets"):
        split_pairs([tmp_path], "train")


def test_building_and_reading_import_no_tensorflow(tmp_path):
    code = (
        "import sys; from haqagen_jax.data import build; from haqagen_jax.data.folder import "
        "split_pairs; t = build.build('synthetic', sys.argv[1], count=10, size=(8, 8)); "
        "split_pairs([t], 'train')[0].encoded(); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
