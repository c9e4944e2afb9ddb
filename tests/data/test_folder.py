import numpy as np
import pytest
import tifffile
from PIL import Image

from haqagen_jax.data.folder import find_pairs, split_pairs, usable_pairs
from haqagen_jax.data.pair import FilePair, Pair
from haqagen_jax.data.split import split_by_counts, split_of
from haqagen_jax.errors import InputError


def write_pair(directory, name, *, nir="png", rgb="png", size=(6, 8), rgb_size=None):
    directory.mkdir(parents=True, exist_ok=True)
    h, w = rgb_size or size
    for path, image in (
        (directory / f"{name}_nir.{nir}", np.zeros(size, np.uint8)),
        (directory / f"{name}_rgb.{rgb}", np.zeros((h, w, 3), np.uint8)),
    ):
        if path.suffix.lower() in (".tif", ".tiff"):
            tifffile.imwrite(path, image)
        else:
            Image.fromarray(image).save(path)


def message(call, *args):
    with pytest.raises(InputError) as caught:
        call(*args)
    text = str(caught.value)
    assert "\n" not in text
    return text


def as_files(pairs: list[Pair]) -> list[FilePair]:
    files = [pair for pair in pairs if isinstance(pair, FilePair)]
    assert len(files) == len(pairs)
    return files


def test_pairs_are_found_by_suffix_whatever_the_extension_and_sorted(tmp_path):
    write_pair(tmp_path, "b_2", nir="tiff", rgb="jpg")
    write_pair(tmp_path, "a_nir_1", nir="PNG", rgb="TIF")
    (tmp_path / "notes.txt").write_text("ignored")
    (tmp_path / "c_depth.png").write_text("ignored")
    pairs = find_pairs(tmp_path)
    assert [pair.name for pair in pairs] == ["a_nir_1", "b_2"]
    assert pairs[0].nir == tmp_path / "a_nir_1_nir.PNG"
    assert pairs[1].rgb == tmp_path / "b_2_rgb.jpg"


def test_paths_without_pairs_are_refused(tmp_path):
    assert "does not exist" in message(find_pairs, tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    assert "is a file" in message(find_pairs, tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert "NAME_nir.png" in message(find_pairs, tmp_path / "empty")


def test_missing_partners_are_named_and_counted(tmp_path):
    for name in "abcdef":
        write_pair(tmp_path, name)
    for path in ("a_nir", "b_rgb", "d_nir", "e_nir"):
        (tmp_path / f"{path}.png").unlink()
    text = message(find_pairs, tmp_path)
    assert "4 of 6" in text
    assert "a_rgb.png, b_nir.png, d_rgb.png, ..." in text


def test_two_partners_are_refused(tmp_path):
    write_pair(tmp_path, "a")
    write_pair(tmp_path, "a", rgb="jpg")
    text = message(find_pairs, tmp_path)
    assert "a has 2 rgb images" in text
    assert "a_rgb.jpg and a_rgb.png" in text


@pytest.mark.parametrize("rgb", ["png", "tif"])
def test_a_pair_of_two_sizes_is_refused_with_both_sizes(tmp_path, rgb):
    write_pair(tmp_path, "a", rgb=rgb, size=(6, 8), rgb_size=(6, 9))
    text = message(find_pairs, tmp_path)
    assert "a_nir.png is 8x6" in text
    assert f"a_rgb.{rgb} is 9x6" in text


@pytest.mark.parametrize("extension", ["jpg", "tif"])
def test_sizes_are_those_of_the_upright_images(tmp_path, extension):
    write_pair(tmp_path, "a", rgb=extension, size=(6, 8), rgb_size=(8, 6))
    path = tmp_path / f"a_rgb.{extension}"
    if extension == "tif":
        tag = (274, "H", 1, 6, True)
        tifffile.imwrite(path, np.zeros((8, 6, 3), "u1"), photometric="rgb", extratags=[tag])
    else:
        exif = Image.Exif()
        exif[274] = 6
        Image.fromarray(np.zeros((8, 6, 3), "u1")).save(path, exif=exif)
    assert [pair.name for pair in find_pairs(tmp_path)] == ["a"]


@pytest.mark.parametrize("extension", ["png", "tif", "jpg"])
def test_a_file_that_is_no_image_is_named(tmp_path, extension):
    write_pair(tmp_path, "a", rgb=extension)
    for content, problem in ((b"", "is empty"), (b"no image at all", "not a PNG, JPEG or TIFF")):
        (tmp_path / f"a_rgb.{extension}").write_bytes(content)
        text = message(find_pairs, tmp_path)
        assert (
            f"1 of 1 names cannot be read as images: {tmp_path}/a_rgb.{extension}: {problem}"
            in text
        )


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path, monkeypatch):
    def deny(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "iterdir", deny)
    assert f"{tmp_path}: cannot be listed (Permission denied); " in message(find_pairs, tmp_path)


def test_usable_pairs_come_with_a_line_for_each_problem(tmp_path):
    names = [f"s{number:02}" for number in range(40)]
    for name in names:
        write_pair(tmp_path, name, size=(2, 2))
    bad = {split: next(n for n in names if split_of(n) == split) for split in ("train", "val")}
    (tmp_path / f"{bad['train']}_rgb.png").unlink()
    (tmp_path / f"{bad['val']}_rgb.png").write_bytes(b"no image")
    pairs, (first, second) = usable_pairs(tmp_path)
    assert [pair.name for pair in pairs] == [n for n in names if n not in bad.values()]
    # A problem belongs to the split of its scene.
    for split, part in (("train", "has no partner; add"), ("val", "not a PNG")):
        pairs, (line,) = usable_pairs(tmp_path, split)
        assert len(pairs) == sum(split_of(n) == split for n in names) - 1
        assert str(tmp_path) in line
        assert f"{bad[split]}_" in line
        assert part in line
        assert line in (first, second)
    with pytest.raises(InputError, match="1 of 40 names have no partner"):
        split_pairs([tmp_path], "val")  # training refuses any problem


def test_split_folders_are_used_and_directories_are_joined(tmp_path):
    write_pair(tmp_path / "one" / "train", "x")
    write_pair(tmp_path / "one" / "val", "y")
    write_pair(tmp_path / "two" / "train", "x")
    pairs = as_files(split_pairs([tmp_path / "one", tmp_path / "two"], "train"))
    assert [pair.nir.parts[-3:] for pair in pairs] == [
        ("one", "train", "x_nir.png"),
        ("two", "train", "x_nir.png"),
    ]
    text = message(split_pairs, [tmp_path / "two"], "val")
    assert str(tmp_path / "two" / "val") in text
    assert "does not exist" in message(split_pairs, [tmp_path / "none"], "train")
    assert "train, val, test" in message(split_pairs, [tmp_path / "one"], "valid")


def test_a_plain_folder_is_split_by_scene_with_nothing_lost_or_shared(tmp_path):
    names = [f"scene_{i:03d}" for i in range(60)]
    for name in names:
        write_pair(tmp_path, name, size=(1, 1))
    splits = {s: [p.name for p in split_pairs([tmp_path], s)] for s in ("train", "val", "test")}
    assert sorted(name for kept in splits.values() for name in kept) == names
    assert all(split_of(name) == split for split, kept in splits.items() for name in kept)


def test_the_split_of_a_scene_never_changes():
    # From the shell: printf NAME | sha256sum, the first 16 hex digits over 2**64.
    golden = {
        "water_0023": "train",  # 0.427
        "street_0007": "train",  # 0.383
        "indoor_0025": "val",  # 0.845
        "indoor_0012": "test",  # 0.915
        "country_0000": "test",  # 0.930
    }
    assert {name: split_of(name) for name in golden} == golden
    names, counts = np.unique([split_of(str(i)) for i in range(10_000)], return_counts=True)
    assert names.tolist() == ["test", "train", "val"]
    np.testing.assert_allclose(counts, [1000, 8000, 1000], atol=90)  # three deviations


def test_an_empty_split_is_refused(tmp_path):
    write_pair(tmp_path, "x")
    assert "none of its 1 pairs falls into val" in message(split_pairs, [tmp_path], "val")
    # A name that is no pair is reported, whatever split it would belong to.
    write_pair(tmp_path, "x", rgb_size=(6, 9))
    assert "x_nir.png is 8x6 but x_rgb.png is 9x6" in message(usable_pairs, tmp_path, "val")


def test_split_counts_are_exact_and_depend_on_names_alone():
    scenes = [f"s{i}" for i in range(477)]
    counts = {"train": 382, "val": 48, "test": 47}
    chosen = dict(zip(scenes, split_by_counts(scenes, counts), strict=True))
    assert {split: list(chosen.values()).count(split) for split in counts} == counts
    backwards = split_by_counts(scenes[::-1], counts)
    assert dict(zip(scenes[::-1], backwards, strict=True)) == chosen


def test_split_counts_keep_the_views_of_a_scene_together():
    scenes = [f"s{i // 3}" for i in range(90)] + ["alone"] * 10
    chosen = split_by_counts(scenes, {"train": 80, "val": 10, "test": 10})
    sides = {(scene, split) for scene, split in zip(scenes, chosen, strict=True)}
    assert len(sides) == len(set(scenes))
    sizes = [chosen.count(split) for split in ("train", "val", "test")]
    np.testing.assert_allclose(sizes, [80, 10, 10], atol=3)


def test_parallel_folders_are_paired_with_and_without_suffixes(tmp_path):
    for folder in ("NIR", "rgb"):
        (tmp_path / folder).mkdir()
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "NIR" / "a.png")
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(tmp_path / "rgb" / "a.jpg")
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "NIR" / "b_nir.png")
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(tmp_path / "rgb" / "b_rgb.png")
    pairs = find_pairs(tmp_path)
    assert [pair.name for pair in pairs] == ["a", "b"]
    (tmp_path / "rgb" / "b_rgb.png").unlink()
    assert "1 of 2 names have no partner: b_nir.png" in message(find_pairs, tmp_path)


def write_table(directory, text):
    (directory / "pairs.csv").write_text(text, encoding="utf-8")


def rows_of(*rows):
    return "".join(f"deep/{name}_nir.png,deep/{name}_rgb.png,{rest}\n" for name, rest in rows)


def test_a_table_names_scenes_and_splits(tmp_path):
    write_pair(tmp_path / "deep", "x")
    write_pair(tmp_path / "deep", "y")
    rows = rows_of(("x", "hill,train"), ("y", "lake,test"))
    write_table(tmp_path, "nir,rgb,scene,split\n" + rows)
    (pair,) = split_pairs([tmp_path], "train")
    assert (pair.name, pair.scene) == ("x", "hill")
    (pair,) = as_files(split_pairs([tmp_path / "pairs.csv"], "test"))
    assert pair.rgb == tmp_path / "deep" / "y_rgb.png"
    assert "has test, train but no val" in message(split_pairs, [tmp_path], "val").replace(
        "train, test", "test, train"
    )
    assert "is split into" in message(find_pairs, tmp_path)


def test_a_folder_that_lacks_a_split_adds_nothing_to_a_union(tmp_path):
    for folder in ("made/train", "real/train", "real/val"):
        write_pair(tmp_path / folder, folder.replace("/", "_"))
    both = [tmp_path / "made", tmp_path / "real"]
    assert [p.name for p in split_pairs(both, "train")] == ["made_train", "real_train"]
    assert [p.name for p in split_pairs(both, "val")] == ["real_val"]
    assert "has train but no val" in message(split_pairs, both[:1], "val")
    assert "but no test" in message(split_pairs, both, "test")


def test_a_table_with_a_scene_or_a_file_in_two_splits_is_refused(tmp_path):
    for name in "xyz":
        write_pair(tmp_path / "deep", name)
    rows = rows_of(("x", "hill,train"), ("y", "hill,test"), ("z", "lake,val"))
    write_table(tmp_path, "nir,rgb,scene,split\n" + rows)
    text = message(split_pairs, [tmp_path], "train")
    assert "1 scenes are in more than one split: hill (test, train); keep each in one" in text
    rows = rows_of(("x", "train"), ("y", "val"), ("x", "test"))
    write_table(tmp_path, "nir,rgb,split\n" + rows)
    text = message(split_pairs, [tmp_path], "train")
    assert "2 files are listed more than once: x_nir.png, x_rgb.png; keep one row of each" in text


@pytest.mark.parametrize("start", ["", ".\\", "..\\data\\", "deep/..\\", "deep\\../"])
def test_a_table_may_be_written_on_windows(tmp_path, start):
    folder = tmp_path / "data"
    write_pair(folder / "deep" / "in", "x")
    write_table(folder, f"nir,rgb\r\n{start}deep\\in\\x_nir.png,{start}deep\\in\\x_rgb.png\r\n")
    (pair,) = find_pairs(folder)
    assert (pair.name, pair.nir.name, pair.rgb.name) == ("x", "x_nir.png", "x_rgb.png")
    assert pair.nir.samefile(folder / "deep" / "in" / "x_nir.png")


def test_a_backslash_may_belong_to_a_name(tmp_path):
    write_pair(tmp_path / "deep", "x")
    write_pair(tmp_path, "deep\\x")
    write_table(
        tmp_path, "nir,rgb\ndeep\\x_nir.png,deep\\x_rgb.png\ndeep/x_nir.png,deep/x_rgb.png\n"
    )
    assert [pair.name for pair in find_pairs(tmp_path)] == ["deep\\x", "x"]
    write_table(tmp_path, "nir,rgb\ndeep\\y_nir.png,deep\\y_rgb.png\n")
    assert f"1 of 1 names do not exist: {tmp_path}/deep\\y_nir.png" in message(find_pairs, tmp_path)


def test_a_table_lists_a_file_once_in_whatever_way(tmp_path):
    write_pair(tmp_path / "deep", "x")
    write_table(
        tmp_path, "nir,rgb\ndeep\\x_nir.png,deep\\x_rgb.png\ndeep/x_nir.png,deep/x_rgb.png\n"
    )
    assert "2 files are listed more than once" in message(find_pairs, tmp_path)


def test_files_that_a_table_lists_must_exist(tmp_path):
    write_pair(tmp_path / "deep", "x")
    write_table(tmp_path, "nir,rgb\ndeep/x_nir.png,deep/x_rgb.png\ndeep/y_nir.png,deep/y_rgb.png\n")
    text = message(find_pairs, tmp_path)
    assert f"1 of 2 names do not exist: {tmp_path}/deep/y_nir.png; add the files" in text
    with pytest.raises(InputError, match="do not exist"):  # not skipped as unreadable
        split_pairs([tmp_path], "train", unreadable=True)


def test_ambiguous_folders_and_stray_images_are_refused(tmp_path):
    write_pair(tmp_path / "train", "a")
    write_pair(tmp_path / "Validation", "b")
    assert [pair.name for pair in split_pairs([tmp_path], "val")] == ["b"]
    write_pair(tmp_path / "val", "c")
    assert "Validation and val both mean val; make them one" in message(
        split_pairs, [tmp_path], "val"
    )
    (tmp_path / "val").rename(tmp_path / "test")
    write_pair(tmp_path, "d")
    assert "2 images lie beside train, val, test, as d_" in message(split_pairs, [tmp_path], "val")
    for path in tmp_path.glob("d_*"):
        path.unlink()
    write_pair(tmp_path / "train" / "val", "e")
    assert "train: 2 images lie beside val" in message(split_pairs, [tmp_path], "val")
    for path in (tmp_path / "train").glob("a_*"):
        path.unlink()
    assert "train: is split again, into val" in message(split_pairs, [tmp_path], "val")


def test_uppercase_names_and_subfolders_are_found_and_files_of_macos_ignored(tmp_path):
    write_pair(tmp_path / "a", "x")
    for path in (tmp_path / "a").iterdir():
        path.rename(path.with_name(path.stem.upper() + ".PNG"))
    (tmp_path / "a" / "._X_NIR.PNG").write_bytes(b"\0")
    assert [pair.name for pair in find_pairs(tmp_path / "a")] == ["X"]
    for band in ("nir", "rgb"):
        source = tmp_path / "a" / f"X_{band.upper()}.PNG"
        for subfolder in ("one", "two"):
            target = tmp_path / "b" / band / subfolder / "0001.png"
            target.parent.mkdir(parents=True)
            target.write_bytes(source.read_bytes())
    assert [pair.name for pair in find_pairs(tmp_path / "b")] == ["one_0001", "two_0001"]


def test_a_name_that_is_not_utf8_is_refused(tmp_path):
    write_pair(tmp_path, "a")
    (tmp_path / "a_nir.png").rename(tmp_path / b"a\xff_nir.png".decode(errors="surrogateescape"))
    assert "its name is not UTF-8; rename it" in message(find_pairs, tmp_path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no rows"),
        ("nir,rgb\n", "has no rows"),
        ("nir,colour\na,b\n", "has the columns nir, colour but no rgb"),
        ("nir;rgb\na;b\n", "has the columns nir;rgb but no nir"),
        ("nir,rgb\n\n\na,b\na_nir.png,\n", "pairs.csv:5: columns nir and rgb"),
        ("nir,rgb\na_nir.png,\n", "pairs.csv:2: columns nir and rgb"),
        ("nir,rgb,split\na,b,dev\n", "split = 'dev': must be one of train, val, test"),
        ("nir,rgb,split\na,b,train\nc,d,\n", "some rows have no split"),
    ],
)
def test_a_bad_table_is_refused(tmp_path, text, problem):
    write_table(tmp_path, text)
    assert problem in message(split_pairs, [tmp_path], "train")


def test_a_scene_of_a_table_is_in_one_split_only(tmp_path):
    for index in range(12):
        write_pair(tmp_path, f"v{index}", size=(1, 1))
    rows = "".join(f"v{i}_nir.png,v{i}_rgb.png,place{i // 6}\n" for i in range(12))
    write_table(tmp_path, "nir,rgb,scene\n" + rows)
    for scene in ("place0", "place1"):
        views = [pair for pair in split_pairs([tmp_path], split_of(scene)) if pair.scene == scene]
        assert len(views) == 6


def test_several_mismatches_are_counted(tmp_path):
    for name in "abcd":
        write_pair(tmp_path, name, size=(6, 8), rgb_size=(6, 9))
    write_pair(tmp_path, "e")
    text = message(find_pairs, tmp_path)
    assert "4 of 5 names have two sizes" in text
    assert text.count(" but ") == 3  # the first three, then dots
