"""Which rows are trained, on what, how often; what is missing is said. Training is stood in for."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from haqagen_jax.config.load import load_config
from haqagen_jax.errors import InputError, Stopped
from haqagen_jax.reproduce import reproduce as module
from haqagen_jax.reproduce.reproduce import Recipe, reproduce

TINY = Recipe("tiny", ("train.steps=3",), lpips="none")


def write_set(folder):
    for split in ("train", "val", "test"):
        (folder / split).mkdir(parents=True)
        for i in range(2):
            random = np.random.default_rng(i)
            nir = random.integers(0, 256, (20, 24)).astype(np.uint8)
            nir.flat[:2] = 0, 255
            Image.fromarray(nir).save(folder / split / f"{i}_nir.png")
            rgb = random.integers(0, 256, (20, 24, 3)).astype(np.uint8)
            Image.fromarray(rgb).save(folder / split / f"{i}_rgb.png")
    return str(folder)


@pytest.fixture
def data(tmp_path):
    return write_set(tmp_path / "data")


@pytest.fixture
def trained(monkeypatch):
    """What is trained: (folder, directories, config, vgg); the model is the gray baseline."""
    calls = []

    def train(directories, workdir, config, *, vgg, progress):
        if config.loss.delta and vgg is None:
            raise InputError("loss.delta = 0.2: needs weights")
        calls.append((workdir, directories, config, vgg))
        assert bool(config.loss.alpha) == (workdir / "texture" / "config.json").exists()
        return Path("grey")

    def pretrain(directories, workdir, config, *, progress):
        (workdir / "texture").mkdir(exist_ok=True, parents=True)
        (workdir / "texture" / "config.json").write_text(" ".join(directories))
        calls.append((workdir / "texture", directories, config, None))
        return workdir / "texture"

    monkeypatch.setattr(module, "train", train)
    monkeypatch.setattr(module, "pretrain_texture", pretrain)
    return calls


def test_what_is_missing_is_said_and_the_others_are_done(data, tmp_path, trained, capfd):
    assert reproduce("table4", [data], str(tmp_path / "w"), TINY, progress=False) == 1
    folders = [str(call[0].relative_to(tmp_path / "w")) for call in trained]
    assert folders == [
        *("texture", "vcip2020/colormamba", "vcip2020/histogram", "vcip2020/texture"),
    ]
    assert all(call[1] == [data] and call[2].train.steps == 3 for call in trained)
    out, err = capfd.readouterr()
    assert err.splitlines() == [
        "haqagen: vgg: loss.delta = 0.2: needs weights",
        "haqagen: full: loss.delta = 0.2: needs weights",
    ]
    table = (tmp_path / "w" / "table4.md").read_text()
    assert table in out
    assert "vgg: not done: loss.delta = 0.2: needs weights" in table
    assert "A demonstration, not the paper's training: size tiny, train.steps=3." in table
    report = json.loads((tmp_path / "w" / "table4.json").read_text())
    rows = {row["row"]: row for row in report["rows"]}
    assert rows["full"]["ours"] == {}
    assert rows["full"]["published"]["psnr"] == 24.96
    assert rows["texture"]["pairs"] == 2
    # The stand-in's scores are those of the baseline below it.
    assert rows["texture"]["ours"] == rows["grey"]["ours"]
    line = next(line for line in table.splitlines() if line.startswith("| texture"))
    mean = rows["grey"]["ours"]["PSNR linear"]["mean"]
    assert [cell.strip() for cell in line.split("|")[2:4]] == ["24.12", f"{mean:.2f}"]
    for name in ("texture", "grey"):
        assert (tmp_path / "w" / "vcip2020" / name / "scores" / "report.html").is_file()


def test_everything_is_done(data, tmp_path, trained, capfd):
    recipe = Recipe("tiny", TINY.overrides, vgg="vgg.pth", lpips="none")
    assert reproduce("table5", [data], str(tmp_path), recipe, progress=False) == 0
    assert [call[3] for call in trained] == [None, "vgg.pth", "vgg.pth"]
    assert [call[2].model.hsv_spade for call in trained[1:]] == [False, True]
    assert capfd.readouterr().err == ""


def test_a_model_that_rows_share_is_trained_once(data, tmp_path, trained):
    recipe = Recipe("tiny", TINY.overrides, vgg="vgg.pth", lpips="none")
    for table in ("table4", "table5"):
        reproduce(table, [data], str(tmp_path / table), recipe, progress=False)
    folders = [str(call[0].relative_to(tmp_path)) for call in trained if call[3]]
    assert len(folders) == len(set(folders))
    assert "table5/vcip2020/full" in folders
    assert "table5/vcip2020/with_spade" not in folders


def test_each_set_trains_on_itself_and_f_on_the_union(tmp_path, trained, capfd):
    sets = {name: write_set(tmp_path / name) for name in ("omsiv", "rgb2nir")}
    words = [f"{name}={directory}" for name, directory in sets.items()]
    recipe = Recipe("tiny", TINY.overrides, vgg="vgg.pth", lpips="none")
    assert reproduce("table3", words, str(tmp_path / "w"), recipe, progress=False) == 1
    for name, directory in sets.items():
        [call] = [c for c in trained if c[0] == tmp_path / "w" / name / "full"]
        assert call[1] == [directory]
        f = (tmp_path / "w" / name / "full" / "texture" / "config.json").read_text()
        assert f == " ".join(sets.values())
    err = capfd.readouterr().err.splitlines()
    assert "haqagen: fanvid: HAQAGen: needs pairs; give them with --data fanvid=DIR" in err
    assert len(err) == 8  # two sets, each with two methods and two baselines


@pytest.mark.parametrize(
    ("table", "words", "message"),
    [
        ("table9", ["d"], "table = 'table9': must be one of"),
        ("table4", ["rgb2nir=d"], "data = rgb2nir=d: table4 has no such set; it has vcip2020"),
        ("table3", ["omsiv=d", "omsiv=e"], "data = omsiv=e: omsiv is given already, as d"),
    ],
)
def test_refused_before_any_work(table, words, message, tmp_path, trained):
    with pytest.raises(InputError, match=message):
        reproduce(table, words, str(tmp_path / "w"), TINY)
    assert not (tmp_path / "w").exists()


def test_a_directory_without_test_pairs_is_refused_before_any_work(data, tmp_path, trained):
    for path in Path(data, "test").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="test: holds no pairs"):
        reproduce("table4", [data], str(tmp_path / "w"), TINY)
    assert not (tmp_path / "w").exists()


def test_a_bad_pair_is_named_once(data, tmp_path, trained, capfd):
    Path(data, "test", "0_rgb.png").unlink()
    reproduce("table5", [data], str(tmp_path / "w"), TINY, progress=False)
    said = [line for line in capfd.readouterr().err.splitlines() if "0_nir.png" in line]
    assert len(said) == 1
    assert "has no partner" in said[0]


def test_of_the_methods_of_others_colormamba_alone_is_trained(data, tmp_path, trained, capfd):
    recipe = Recipe("tiny", TINY.overrides, vgg="vgg.pth", lpips="none")
    assert reproduce("table2", [data], str(tmp_path / "w"), recipe, progress=False) == 0
    folders = {str(call[0].relative_to(tmp_path / "w")): call[2] for call in trained}
    assert list(folders) == ["texture", "vcip2020/colormamba-networks", "vcip2020/full"]
    config = folders["vcip2020/colormamba-networks"]
    assert config == load_config("configs/colormamba.py:vcip2020,tiny", TINY.overrides)
    table = (tmp_path / "w" / "table2.md").read_text()
    assert "Rows of other methods that are not trained here are the paper's alone." in table
    assert "ColorMamba is trained here too; configs/colormamba.py says what is not" in table
    cells = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]]
        for line in table.splitlines()
        if line.startswith("|")
    }
    assert cells["CoColor"] == ["23.54", "", "", "0.69", "", "", "2.68", "", "", "0.233"]
    # The stand-in's scores are those of the baseline below it; the paper's stand beside them.
    assert [cells["ColorMamba"][i] for i in (0, 3, 6, 9)] == ["24.56", "0.71", "2.81", "0.212"]
    for i in (1, 2, 4, 5, 7, 8):
        assert cells["ColorMamba"][i] == cells["grey"][i] != ""


def test_a_table_without_colormamba_does_not_mention_it(data, tmp_path, trained):
    reproduce("table5", [data], str(tmp_path / "w"), TINY, progress=False)
    assert "ColorMamba" not in (tmp_path / "w" / "table5.md").read_text()


def test_a_bad_override_is_refused_before_any_work(data, tmp_path, trained):
    with pytest.raises(InputError, match=r"train\.step: unknown key"):
        reproduce("table4", [data], str(tmp_path / "w"), Recipe("tiny", ("train.step=3",)))
    assert not (tmp_path / "w").exists()


def test_a_signal_ends_all(data, tmp_path, monkeypatch, trained):
    def train(*_, **__):
        raise Stopped("saved", number=15)

    monkeypatch.setattr(module, "train", train)
    with pytest.raises(Stopped):
        reproduce("table4", [data], str(tmp_path / "w"), TINY, progress=False)
