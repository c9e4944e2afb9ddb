"""A training run whose images are faulty: it saves, lists all faults, and goes on once mended.

A toy takes the place of the networks; see `test_loop_guards`.
"""

import time

import imagecodecs
import numpy as np
import pytest
from test_loop_guards import Toy, change, checkpoints, lines

from haqagen_jax.data.pipeline import TrainIterator
from haqagen_jax.data.rendered import Depth, write_pairs
from haqagen_jax.errors import InputError
from haqagen_jax.run import loop, setup
from haqagen_jax.run.data_check import DataCheck, FaultyDataError

DARK = bytes(imagecodecs.png_encode(np.zeros((256, 256), np.uint8)))


@pytest.fixture
def config(monkeypatch, run_config):
    toy = Toy()
    monkeypatch.setattr(setup, "create_state", toy.create)
    monkeypatch.setattr(setup, "make_train_step", toy.make_step)
    monkeypatch.setattr(setup, "make_validation", lambda *_, **__: lambda x: toy.validate(x))
    return change(
        run_config, "train", steps=30, log_every=1, validate_every=90, checkpoint_every=90
    )


@pytest.fixture
def data(tmp_path):
    options = {"sizes": [(256, 256)], "depths": [Depth.PNG_8]}
    write_pairs(tmp_path / "in" / "train", count=9, seed=0, **options)
    write_pairs(tmp_path / "in" / "val", count=2, seed=20, **options)
    return tmp_path / "in"


def spoil(data, *names):
    kept = {data / f"{name}_nir.png": (data / f"{name}_nir.png").read_bytes() for name in names}
    for path in kept:
        path.write_bytes(DARK)
    return kept


def delayed(monkeypatch, seconds):
    look = DataCheck._look
    monkeypatch.setattr(DataCheck, "_look", lambda self: time.sleep(seconds) or look(self))


def test_a_fault_that_the_stream_meets_is_followed_by_a_save(data, tmp_path, config, monkeypatch):
    loop.train([data], tmp_path / "whole", config, progress=False)
    kept = spoil(data, "train/scene_0003", "train/scene_0007", "val/scene_0020")
    with monkeypatch.context() as patch:
        delayed(patch, 2)
        # The stream reads ahead; a first batch without a faulty pair is what the seed gives.
        with pytest.raises(FaultyDataError, match="3 of 11 pairs are faulty") as caught:
            loop.train([data], tmp_path / "w", config, progress=False)
    assert [fault.split("/")[-1].split("_nir")[0] for fault in caught.value.faults] == [
        *("scene_0003", "scene_0007", "scene_0020")
    ]
    saved = checkpoints(tmp_path / "w")
    words = f"step {saved[0]} is saved" if saved else "nothing is trained yet"
    assert words in str(caught.value)
    for path, content in kept.items():
        path.write_bytes(content)
    loop.train([data], tmp_path / "w", config, progress=False)
    assert lines(tmp_path / "w") == lines(tmp_path / "whole")


def test_a_fault_that_the_check_finds_ends_the_run_at_a_step(data, tmp_path, config, monkeypatch):
    """Of a validation image, which the run would meet at its end."""
    loop.train([data], tmp_path / "whole", config, progress=False)
    kept = spoil(data, "val/scene_0021")
    place = loop.place_batch

    def slow(batch, mesh):
        time.sleep(0.2)
        return place(batch, mesh)

    monkeypatch.setattr(loop, "place_batch", slow)
    with pytest.raises(FaultyDataError, match="1 of 11 pairs are faulty") as caught:
        loop.train([data], tmp_path / "w", config, progress=False)
    (saved,) = checkpoints(tmp_path / "w")
    assert 0 < saved < 30
    assert f"step {saved} is saved; replace the files, and run the same" in str(caught.value)
    for path, content in kept.items():
        path.write_bytes(content)
    monkeypatch.setattr(loop, "place_batch", place)
    loop.train([data], tmp_path / "w", config, progress=False)
    assert lines(tmp_path / "w") == lines(tmp_path / "whole")


def test_what_the_stream_alone_finds_is_saved_and_stays_as_it_is(
    data, tmp_path, config, monkeypatch
):
    loop.train([data], tmp_path / "whole", config, progress=False)
    take, taken = TrainIterator.__next__, []

    def broken(batches):
        taken.append(1)
        if len(taken) == 4:
            raise InputError("a disk that is gone")
        return take(batches)

    with monkeypatch.context() as patch:
        patch.setattr(TrainIterator, "__next__", broken)
        with pytest.raises(InputError, match=r"^a disk that is gone$"):
            loop.train([data], tmp_path / "w", config, progress=False)
    assert checkpoints(tmp_path / "w") == [3]
    loop.train([data], tmp_path / "w", config, progress=False)
    assert lines(tmp_path / "w") == lines(tmp_path / "whole")


def test_cropped_pairs_are_said_once(data, tmp_path, config, capfd):
    path = data / "train" / "scene_0000_nir.png"
    nir = imagecodecs.png_decode(path.read_bytes())
    opacity = np.full_like(nir, 255)
    opacity[:, :30] = 0
    path.write_bytes(bytes(imagecodecs.png_encode(np.stack([nir, opacity], -1))))
    place = loop.place_batch
    config = change(config, "train", steps=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "place_batch", lambda *x: time.sleep(0.05) or place(*x))
        loop.train([data], tmp_path / "w", config)
    said = capfd.readouterr()
    assert (said.out + said.err).count("1 of 11 pairs are cropped to the part where both") == 1
