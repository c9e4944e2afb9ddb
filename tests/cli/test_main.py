"""The command line: what it says, what it passes on, and how it fails."""

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import imagecodecs
import numpy as np
import pytest

import haqagen_jax.run.dry_run  # noqa: F401 - before a test replaces a part of it
from haqagen_jax.batch.keep import Keep
from haqagen_jax.batch.select import Rules
from haqagen_jax.cli import main
from haqagen_jax.config.load import load_config
from haqagen_jax.config.schema import Config
from haqagen_jax.errors import InputError
from haqagen_jax.inference.settings import MINMAX, Settings
from haqagen_jax.reproduce.reproduce import Recipe
from haqagen_jax.version import __version__

COMMANDS = (
    "colorize",
    "evaluate",
    "reproduce",
    "weights",
    "train",
    "pretrain-texture",
    "dataset",
    "export",
    "info",
    "demo",
)


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main.main(words)
    code = stopped.value.code
    assert isinstance(code, int)
    return code


def complaint(capsys, *words: str) -> str:
    """What a refused command says: one line, and nothing on stdout."""
    assert run(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("haqagen: ")
    return captured.err


def test_help_lists_the_commands(capsys):
    assert run("--help") == 0
    text = capsys.readouterr().out
    for command in COMMANDS:
        assert re.search(rf"^ +{command}\s+\w", text, re.MULTILINE), command
    assert max(len(line) for line in text.splitlines()) <= 100


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    assert run(command, "--help") == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: haqagen {command}")
    # Every option says what it is for.
    options = re.findall(r"^  (-[^\n]*(?:\n {6,}[^\n]*)*)", text, re.MULTILINE)
    assert options
    for option in options:
        assert re.search(r"\s{2,}\w", option), option


def test_as_a_module():
    command = [sys.executable, "-m", "haqagen_jax", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, f"haqagen {__version__}\n")


def test_no_command_and_an_unknown_one(capsys):
    assert run() == 2
    assert "COMMAND" in capsys.readouterr().err
    assert run("paint") == 2
    assert "paint" in capsys.readouterr().err


@pytest.fixture
def calls(monkeypatch):
    """The functions behind the commands, replaced by ones that note their arguments."""
    recorded = []
    functions = {
        "batch.run": "colorize_files",
        "evaluation.evaluate": "evaluate",
        "run.loop": "train",
        "run.texture": "pretrain_texture",
        "cli.info": "info",
        "cli.demo": "demo",
        "data.inspection.survey": "inspect",
    }

    def note(*args, **kwargs):
        recorded.append((args, kwargs))
        return 0

    monkeypatch.setattr("haqagen_jax.reproduce.reproduce.reproduce", note)
    monkeypatch.setattr("haqagen_jax.reproduce.stride.sweep", note)

    for module, function in functions.items():
        stand_in = ModuleType(module)
        setattr(stand_in, function, note)
        monkeypatch.setitem(sys.modules, f"haqagen_jax.{module}", stand_in)
    return recorded


def test_colorize(calls):
    assert run("colorize", "a.png", "b", "-o", "out") == 0
    assert run("colorize", "a.png", "--out", "c.tif", "--model", "grey", "--tile", "512") == 0
    plain = {"report": None, "keep": Keep()}
    assert calls == [
        ((["a.png", "b"], "out", None, Settings(), Rules()), plain),
        ((["a.png"], "c.tif", "grey", Settings(tile=512), Rules()), plain),
    ]
    more = ["--stride", "240", "--batch", "3", "--mode", "sliding", "--window", "flat"]
    more += ["--precision", "bfloat16", "--overwrite", "--max-pixels", "9", "--report", "r.json"]
    assert run("colorize", "a.png", "-o", "out", *more) == 0
    settings = Settings(stride=240, batch=3, mode="sliding", window="flat", precision="bfloat16")
    rules = Rules(overwrite=True, max_pixels=9)
    assert calls[-1] == (
        (["a.png"], "out", None, settings, rules),
        {"report": "r.json", "keep": Keep()},
    )
    share = ("--resume", "--share", "3/4")
    assert run("colorize", "a.png", "-o", "out", *share) == 0
    assert calls[-1][0][-1] == Rules(resume=True, share=(3, 4))
    assert run("colorize", "a.png", "-o", "out", "--strict") == 0
    assert calls[-1][0][-1] == Rules(strict=True)
    assert run("colorize", "a.png", "-o", "out", "--no-metadata", "--verbose") == 0
    assert calls[-1][1]["keep"] == Keep(metadata=False, verbose=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--overwrite", "--resume"], "--overwrite and --resume: give one"),
        (["--max-pixels", "0"], "max-pixels = 0: must be at least 1"),
        (["--share", "2/2"], "share = 2/2: the first must be at least 0 and less than"),
        (["--share", "a"], "share = 'a': must be I/N"),
        (
            ["--window", "hamming"],
            "window = 'hamming': must be one of hann, cosine, triangle, flat",
        ),
        (["--precision", "int8"], "precision = 'int8': must be one of float32, bfloat16"),
    ],
)
def test_rules_that_cannot_be(calls, capsys, words, message):
    assert run("colorize", "a.png", "-o", "out", *words) == 2
    assert message in capsys.readouterr().err
    assert not calls


def test_evaluate(calls, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("m").mkdir()  # the command line looks whether a model is there
    Path("m", "config.json").touch()
    assert run("evaluate", "--data", "d") == 0
    assert run("evaluate", "--data", "d", "--model", "m,grey", "--out", "o", "--batch", "2") == 0
    (args, options), (other, with_batch) = calls
    assert args == ("d", ["fast", "small", "grey", "table"])
    assert options == {
        "split": None,
        "modes": ["whole"],
        "lpips": None,
        "out": None,
        "settings": Settings(stretch=MINMAX),
        "overwrite": False,
    }
    assert other == ("d", ["m", "grey"])
    settings = Settings(batch=2, stretch=MINMAX)
    assert (with_batch["out"], with_batch["settings"]) == ("o", settings)
    assert run("evaluate", "--data", "d", "--mode", "sliding,resize", "--lpips", "vgg") == 0
    assert (calls[-1][1]["modes"], calls[-1][1]["lpips"]) == (["sliding", "resize"], "vgg")


def test_reproduce(calls, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("m").mkdir()  # the command line looks whether a model is there
    Path("m", "config.json").touch()
    words = ("--data", "a=d", "--data", "b=e", "--workdir", "w")
    assert run("reproduce", "table3", *words) == 0
    more = ("--size", "tiny", "--set", "train.steps=3", "--vgg", "v", "--lpips", "none")
    assert run("reproduce", "table4", "--data", "d", "--workdir", "w", *more) == 0
    sweep = ("stride-sweep", "--data", "d", "--workdir", "w", "--model", "m", "--lpips", "alex")
    assert run("reproduce", *sweep) == 0
    assert calls == [
        (("table3", ["a=d", "b=e"], "w", Recipe()), {}),
        (("table4", ["d"], "w", Recipe("tiny", ("train.steps=3",), "v", "none")), {}),
        (("d", "w"), {"model": "m", "lpips": "alex"}),
    ]
    said = complaint(capsys, "reproduce", "table4", "--model", "m", *words)
    assert said.startswith("haqagen: model = m: is for stride-sweep; table4 trains")
    said = complaint(capsys, "reproduce", "stride-sweep", *words)
    assert "data = a=d b=e: stride-sweep takes one directory" in said


def test_train(calls, monkeypatch, capsys):
    words = ["train", "--data", "d", "--data", "e", "--workdir", "w"]
    words += ["--vgg", "v.pth", "--init-from", "m"]
    words += [
        "--config",
        "configs/haqagen.py:tiny",
        "--set",
        "train.steps=5",
        "--set",
        "loss.mse=1",
    ]
    monkeypatch.setattr(sys, "argv", ["haqagen", *words, "with space"])
    assert run(*words) == 0
    ((args, options),) = calls
    config = load_config("configs/haqagen.py:tiny", ["train.steps=5", "loss.mse=1"])
    assert args == (["d", "e"], "w", config)
    assert (options["vgg"], options["init_from"]) == ("v.pth", "m")
    assert options["command"].startswith("haqagen train --data d")
    assert options["command"].endswith("'with space'")  # can be pasted into a shell
    assert "haqagen colorize" in capsys.readouterr().out


def test_pretrain_texture(calls):
    assert run("pretrain-texture", "--data", "d", "--workdir", "w") == 0
    assert calls == [((["d"], "w", Config()), {})]  # the paper's configuration by default


def test_info_and_demo(calls):
    assert run("info") == 0
    assert run("info", "--config", "a.py:b", "--config", "c.py") == 0
    assert run("demo", "-o", "o", "--image", "photo.tif", "--model", "grey") == 0
    assert run("demo") == 0
    four = [f"configs/haqagen.py:{size}" for size in ("paper", "base", "small", "tiny")]
    assert calls == [
        ((four,), {}),
        ((["a.py:b", "c.py"],), {}),
        ((Path("o"),), {"image": Path("photo.tif"), "model": "grey"}),
        ((Path("demo"),), {"image": None, "model": None}),
    ]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("colorize", "", "-o", "out"), "input"),
        (("colorize", "a.png", "", "-o", "out"), "input"),
        (("colorize", "a.png", "-o", ""), "out"),
        (("colorize", "a.png", "-o", "out", "--model", ""), "model"),
        (("evaluate", "--data", ""), "data"),
        (("train", "--data", "d", "--workdir", "w", "--init-from", ""), "init-from"),
        (("demo", "--image="), "image"),
        (("dataset", "inspect", ""), "data"),
    ],
)
def test_an_empty_word_is_not_the_current_folder(calls, capsys, words, name):
    assert complaint(capsys, *words).startswith(f"haqagen: {name} = '': must not be empty; ")
    assert not calls


def failing(monkeypatch, module: str, function: str, error: BaseException) -> None:
    def fail(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(sys.modules[f"haqagen_jax.{module}"], function, fail)


def test_bad_input_is_one_line(calls, monkeypatch, capsys):
    failing(monkeypatch, "cli.info", "info", InputError("x = 3: must be 4"))
    assert complaint(capsys, "info") == "haqagen: x = 3: must be 4\n"


@pytest.mark.parametrize(
    ("words", "module", "function", "hint"),
    [
        (("info",), "cli.info", "info", ""),
        *(
            ((command, "--data", "d", "--workdir", "w"), module, function, "; run the same command")
            for command, module, function in (
                ("train", "run.loop", "train"),
                ("pretrain-texture", "run.texture", "pretrain_texture"),
            )
        ),
    ],
)
def test_an_interrupt_says_what_can_go_on(
    calls, monkeypatch, capsys, words, module, function, hint
):
    failing(monkeypatch, module, function, KeyboardInterrupt())
    assert run(*words) == 130
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"haqagen: interrupted{hint}")
    assert captured.err.count("\n") == 1


def test_the_status_is_passed_on(calls, monkeypatch):
    monkeypatch.setattr(sys.modules["haqagen_jax.cli.demo"], "demo", lambda *_a, **_k: 1)
    assert run("demo") == 1


def test_a_bug_is_not_dressed_up_as_bad_input(calls, monkeypatch):
    failing(monkeypatch, "cli.info", "info", ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        main.main(["info"])


@pytest.mark.parametrize("command", ["train", "pretrain-texture"])
def test_an_unknown_key_is_refused_before_anything_else(command, tmp_path, capsys):
    words = (command, "--data", "nowhere", "--workdir", str(tmp_path / "w"))
    text = complaint(capsys, *words, "--set", "train.stepz=3")
    assert "train.stepz: unknown key" in text
    assert "did you mean train.steps?" in text
    assert not (tmp_path / "w").exists()


def test_missing_model_directory(capsys, tmp_path):
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.eye(4, dtype=np.uint8)))
    words = ("colorize", str(tmp_path / "a.png"), "-o", str(tmp_path / "out"), "--model", "nowhere")
    assert "nowhere: no such model directory" in complaint(capsys, *words)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def pairs(tmp_path) -> Path:
    for split in ("train", "val"):
        (tmp_path / "data" / split).mkdir(parents=True)
        for band, channels in (("nir", ()), ("rgb", (3,))):
            image = np.arange(16, dtype=np.uint8).reshape(4, 4, *(1 for _ in channels))
            data = imagecodecs.png_encode(np.broadcast_to(image, (4, 4, *channels)).copy())
            (tmp_path / "data" / split / f"a_{band}.png").write_bytes(data)
    return tmp_path / "data"


def test_train_names_what_is_missing(pairs, tmp_path, capsys):
    workdir = tmp_path / "w"
    words = ("train", "--data", str(pairs), "--workdir", str(workdir))
    text = complaint(capsys, *words)
    assert f"haqagen pretrain-texture --data DIR --workdir {workdir}" in text
    text = complaint(capsys, *words, "--set", "loss.alpha=0", "--set", "loss.gamma=0")
    assert "--vgg vgg19.pth" in text
    assert "--set loss.delta=0" in text
    text = complaint(
        capsys,
        *(*words, "--set", "loss.alpha=0", "--set", "loss.gamma=0"),
        *("--vgg", str(tmp_path / "vgg.pth")),
    )
    assert "vgg.pth" in text
    without = ("--set", "loss.feature=0", "--set", "train.batch_size=4")
    text = complaint(capsys, *words, *without)
    assert "train.batch_size = 4: more than the 1 training pairs" in text
    without = ("--set", "loss.feature=0", "--set", "train.steps=3", "--set", "train.batch_size=3")
    text = complaint(capsys, *words, *without)
    assert "train.batch_size = 3: must be a multiple of the 4 devices" in text
    assert "--set train.batch_size=4" in text
    text = complaint(capsys, "train", "--data", str(tmp_path), "--workdir", str(workdir))
    assert str(tmp_path) in text
    assert not workdir.exists()


@pytest.mark.slow
def test_info_prints_a_row_for_every_size(capsys):
    assert run("info") == 0
    sizes = ("paper", "base", "small", "tiny")
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    header = lines[0]
    rows = {line[0]: [float(n.replace(",", "")) for n in line[1:]] for line in lines[1:5]}
    assert tuple(rows) == sizes
    table = [dict(zip(header, rows[size], strict=True)) for size in sizes]
    # Every column falls with the size, except the frozen networks, which are always the same.
    for column in header:
        values = [row[column] for row in table]
        assert values == sorted(values, reverse=True), column
        assert (len(set(values)) == 1) == (column in ("f", "g")), column
    paper = table[0]
    assert 3.6e6 < paper["G_B"] < 4.4e6
    assert paper["file"] == pytest.approx(2 * (paper["G_A"] + paper["G_B"]) / 1e6, abs=0.06)
    assert table[2]["file"] < 12  # the bundled model's size
