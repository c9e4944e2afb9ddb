"""Faulty images end a run with the list of all; what was trained is saved; the run goes on."""

import dataclasses
import shutil
import threading
import time

import imagecodecs
import jax.numpy as jnp
import numpy as np
import pytest
import tifffile

from haqagen_jax.config.schema import Config
from haqagen_jax.data.folder import find_pairs
from haqagen_jax.data.pair import Encoded, FilePair, Pair
from haqagen_jax.data.rendered import Depth, write_pairs
from haqagen_jax.errors import InputError
from haqagen_jax.run import data_check, texture
from haqagen_jax.run.checkpoint import Checkpoints
from haqagen_jax.run.data_check import DataCheck, FaultyDataError

SIZE = (40, 48)


def random(shape=SIZE, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(1, 255, shape, dtype)


def png(image):
    return bytes(imagecodecs.png_encode(image))


def tiff(image, **options):
    import io

    file = io.BytesIO()
    tifffile.imwrite(file, image, **options)
    return file.getvalue()


GOOD = png(random()), png(random((*SIZE, 3)))
BLACK = np.zeros(SIZE, np.uint8)
NAN = np.full(SIZE, np.nan, np.float32)
FAULTS = {
    "dark NIR": (png(BLACK), GOOD[1], "all 1920 pixels have the value 0"),
    "white NIR": (png(BLACK + 255), GOOD[1], "all 1920 pixels have the value 255"),
    "dark 16 bits": (png(BLACK.astype(np.uint16)), GOOD[1], "all 1920 pixels have the value 0"),
    "dark color": (GOOD[0], png(np.zeros((*SIZE, 3), np.uint8)), "have the color 0, 0, 0"),
    "one color": (GOOD[0], png(np.full((*SIZE, 3), (9, 8, 7), np.uint8)), "the color 9, 8, 7"),
    "truncated NIR": (GOOD[0][:-60], GOOD[1], "truncated or damaged"),
    "truncated color": (GOOD[0], GOOD[1][:-60], "truncated or damaged"),
    "no image": (b"<html>", GOOD[1], "not a PNG"),
    "empty": (b"", GOOD[1], "empty|not a PNG"),
    "gray color": (GOOD[0], GOOD[0], "give a color image"),
    "color NIR": (GOOD[1], GOOD[1], "color"),
    "type of color": (
        GOOD[0],
        tiff(random((*SIZE, 3)).astype(np.uint32), photometric="rgb"),
        "uint32",
    ),
    "range of color": (
        GOOD[0],
        tiff(random((*SIZE, 3)).astype(np.float32), photometric="rgb"),
        "float32",
    ),
    "two sizes": (GOOD[0], png(random((40, 47, 3))), "48x40 but .* is 47x40"),
    "no data": (tiff(NAN), GOOD[1], "1920 of 1920 pixels hold no data"),
    "too little data": (
        tiff(np.where(np.arange(48) < 12, random().astype(np.float32), np.nan).astype("f4")),
        *(GOOD[1], "1440 of 1920 pixels hold no data"),
    ),
}


@dataclasses.dataclass(frozen=True)
class Given(Pair):
    """A pair in memory."""

    nir: bytes
    rgb: bytes

    @property
    def scene(self):
        return self.name

    def encoded(self):
        return Encoded(self.nir, self.rgb, f"{self.name}_nir", f"{self.name}_rgb")


def checked(pairs):
    with DataCheck(pairs) as check:
        assert check._ended.wait(60)
    return check


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_any_kind_is_found_and_no_other(name, capfd):
    nir, rgb, message = FAULTS[name]
    pairs = [Given("a", *GOOD), Given("bad", nir, rgb), Given("b", *GOOD)]
    check = checked(pairs)
    assert check.failed
    error = check.failure(7)
    (line,) = error.faults
    with pytest.raises(InputError, match=message):
        raise InputError(line)
    assert line.startswith("bad_")
    assert str(error).startswith("1 of 3 pairs are faulty, see the lines above; step 7 is saved; ")
    assert capfd.readouterr().err == f"haqagen: {line}\n"


def test_all_faults_are_listed_a_line_each(capfd):
    pairs = [Given(name, nir, rgb) for name, (nir, rgb, _) in FAULTS.items()]
    error = checked([*pairs, Given("good", *GOOD)]).failure(0)
    assert len(error.faults) == len(FAULTS)
    assert f"{len(FAULTS)} of {len(FAULTS) + 1} pairs are faulty" in str(error)
    assert "nothing is trained yet" in str(error)
    assert capfd.readouterr().err.splitlines() == [f"haqagen: {x}" for x in error.faults]


def test_what_a_library_raises_belongs_to_its_pair():
    class Odd(Given):
        def encoded(self):
            raise RuntimeError("a disk that is gone")

    check = checked([Odd("x", *GOOD), Given("a", *GOOD)])
    assert check.failure(1).faults == ("x: a disk that is gone",)


def test_cropped_pairs_are_said_once_and_are_no_fault():
    nir = random().astype(np.float32)
    nir[0, 0] = np.nan
    check = checked([Given("a", tiff(nir), GOOD[1]), Given("b", *GOOD)])
    assert not check.failed
    assert check.note().startswith("1 of 2 pairs are cropped to the part where both images hold")
    assert check.note() == ""
    assert checked([Given("b", *GOOD)]).note() == ""


def test_other_processes_do_not_look(monkeypatch):
    monkeypatch.setattr(data_check, "is_first", lambda: False)
    check = checked([Given("a", b"", b"")])
    assert not check.failed
    assert "which the first process lists; step 3 is saved" in str(check.failure(3))


def test_the_end_of_a_run_does_not_wait_for_all_pairs():
    class Slow(Given):
        def encoded(self):
            time.sleep(0.05)
            return super().encoded()

    before = threading.active_count()
    with DataCheck([Slow("a", *GOOD)] * 10_000) as check:
        pass
    assert threading.active_count() == before
    assert check._seen < 100
    assert check._thread.daemon


def test_a_fault_that_training_meets_first_waits_for_the_others(capfd):
    gate = threading.Event()

    class Gated(Given):
        def encoded(self):
            gate.wait(60)
            return super().encoded()

    bad = FAULTS["dark NIR"][:2]
    with DataCheck([Given("a", *bad), Gated("b", *bad), Given("c", *GOOD)]) as check:
        threading.Timer(0.2, gate.set).start()
        error = check.explain(InputError("a is dark"), 4)
    assert isinstance(error, FaultyDataError)
    assert len(error.faults) == 2
    assert "others are looked at before all faults are listed" in capfd.readouterr().err


def test_an_error_that_the_check_does_not_know_stays():
    with DataCheck([Given("a", *GOOD)]) as check:
        error = InputError("gone since")
        assert check.explain(error, 4) is error


CONFIG = Config.from_dict(
    {
        "texture": {"steps": 12, "batch_size": 2},
        "data": {"precrop": 0},
        "train": {"log_every": 1, "checkpoint_every": 50},
    }
)


@pytest.fixture
def folder(tmp_path):
    for split, seed in (("train", 0), ("val", 9)):
        write_pairs(
            tmp_path / "in" / split, count=6, sizes=[(48, 64)], depths=[Depth.PNG_8], seed=seed
        )
    return tmp_path / "in"


@pytest.fixture
def counting_texture(monkeypatch):
    """Steps of f that only count, so that no network is compiled."""

    def step(state, rgb):
        return state.replace(step=state.step + 1), jnp.float32(0.5)

    monkeypatch.setattr(texture, "texture_step", step)


def spoil(folder, *names):
    for name in names:
        shutil.copy(folder / f"{name}_nir.png", folder / f"{name}_nir.kept")
        (folder / f"{name}_nir.png").write_bytes(png(np.zeros((48, 64), np.uint8)))


def mend(folder):
    for kept in folder.glob("*.kept"):
        kept.replace(kept.with_suffix(".png"))


@pytest.mark.parametrize("first", ["check", "stream"])
def test_texture_pretraining_saves_lists_all_and_goes_on(
    folder, tmp_path, counting_texture, monkeypatch, capfd, first
):
    whole = texture.pretrain_texture([folder], tmp_path / "whole", CONFIG, progress=False)
    spoil(folder / "train", "scene_0001", "scene_0004")
    if first == "stream":  # the check ends after the stream has met one
        look = DataCheck._look
        monkeypatch.setattr(DataCheck, "_look", lambda self: time.sleep(3) or look(self))
    with pytest.raises(FaultyDataError, match="2 of 6 pairs are faulty") as caught:
        texture.pretrain_texture([folder], tmp_path / "w", CONFIG, progress=False)
    assert len(caught.value.faults) == 2
    said = capfd.readouterr().err
    assert "scene_0001_nir.png: all 3072" in said
    assert "scene_0004_nir.png: all 3072" in said
    with Checkpoints(tmp_path / "w" / "texture" / "checkpoints") as checkpoints:
        saved = checkpoints.latest
    assert f"step {saved} is saved" in str(caught.value) or not saved
    mend(folder / "train")
    monkeypatch.undo()
    monkeypatch.setattr(
        texture,
        "texture_step",
        lambda state, rgb: (state.replace(step=state.step + 1), jnp.float32(0.5)),
    )
    again = texture.pretrain_texture([folder], tmp_path / "w", CONFIG, progress=False)
    assert (again / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_folders_are_checked_as_they_are_listed(folder):
    pairs = find_pairs(folder / "train")
    assert all(isinstance(pair, FilePair) for pair in pairs)
    assert not checked(pairs).failed
