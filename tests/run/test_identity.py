"""What a run must not change besides its configuration: its data, and f."""

from pathlib import Path

import numpy as np
import pytest

from haqagen_jax.artifact import TENSOR_FILE
from haqagen_jax.config.schema import Config, LossConfig
from haqagen_jax.data.pair import FilePair
from haqagen_jax.run.identity import data_settings, run_settings


def _pairs(*names: str) -> list[FilePair]:
    return [FilePair(name, Path(f"{name}_nir.png"), Path(f"{name}_rgb.png")) for name in names]


def test_the_same_pairs_elsewhere_are_the_same_data():
    moved = [FilePair(name, Path("x"), Path("y")) for name in ("a", "b")]
    assert data_settings(moved) == data_settings(_pairs("a", "b"))


@pytest.mark.parametrize("names", [("a",), ("a", "c"), ("b", "a"), ("a", "b", "b"), ("ab",)])
def test_other_pairs_and_another_order_are_other_data(names):
    assert data_settings(_pairs(*names)) != data_settings(_pairs("a", "b"))


def test_f_counts_by_its_tensors(tmp_path):
    def settings(texture: Path | None) -> dict:
        return run_settings(
            Config(), steps=3, pairs=_pairs("a"), texture=texture, dtype=np.dtype("f4")
        )

    (tmp_path / TENSOR_FILE).write_bytes(b"one")
    first = settings(tmp_path)
    assert settings(tmp_path) == first
    (tmp_path / TENSOR_FILE).write_bytes(b"two")
    other = settings(tmp_path)
    assert {name for name in first if first[name] != other[name]} == {"texture autoencoder"}
    assert first.keys() - settings(None).keys() == {"texture autoencoder"}


def test_g_counts_where_the_loss_asks_for_it():
    def settings(**loss) -> dict:
        config = Config(loss=LossConfig(**loss))
        return run_settings(config, steps=3, pairs=_pairs("a"), texture=None, dtype=np.dtype("f4"))

    assert settings(vgg_network="vgg16") != settings()
    assert settings(vgg_network="vgg16", delta=0.0) == settings(delta=0.0)
    assert settings(vgg_network="vgg16", feature=0.0) == settings(feature=0.0)
