"""What was given for a model directory, and where the model is."""

import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from haqagen_jax.cli import main
from haqagen_jax.config.model_name import resolve_model
from haqagen_jax.errors import InputError


def refusal(path) -> str:
    with pytest.raises(InputError) as caught:
        resolve_model(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    return said.removeprefix(f"{path}: ")


def torch_file(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"}.")
    return path


@pytest.mark.parametrize("name", ["best.pth", "a.pt", "model", "netG_latest.ckpt", "x.safetensors"])
def test_a_file_that_can_be_imported(tmp_path, name):
    save = {"a": np.ones(2, np.float32)}
    path = tmp_path / name
    command = f"haqagen weights import colormamba {path} -o DIR makes a model directory"
    torch_file(path)
    said = f"is a PyTorch checkpoint, not a model directory; if it holds .* {command}"
    assert refusal(path) == said.replace(".*", "ColorMamba's generator,")
    save_file(save, path)
    assert refusal(path).startswith("is a safetensors file, not a model directory; if it holds")
    np.savez(tmp_path / "a.npz", **save)  # pyright: ignore[reportArgumentType]
    assert refusal(tmp_path / "a.npz").startswith("is a NumPy archive (.npz), not a model")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs pointer.*; git lfs pull"),
        (b"<html>", "web page.*; download or copy it again"),
        (b"", "an empty file, not a model directory; download"),
        (b"\x1f\x8b\x08", "a gzip file, not a model directory; unpack it"),
        (b"\x89PNG\r\n", "a PNG image, not a model directory; give a directory with a config.json"),
        (b"hello", "a text that begins 'hello', not a model directory; give a directory"),
    ],
)
def test_another_file(tmp_path, content, message):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(InputError, match=message):
        resolve_model(tmp_path / "m")


def test_files_of_a_model_directory(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").touch()
    for name in ("config.json", "model.safetensors"):
        message = f"is a file of a model directory; give the directory {tmp_path}"
        assert refusal(tmp_path / name) == message
    assert resolve_model(tmp_path) == str(tmp_path)


@pytest.mark.parametrize("inside", ["", "checkpoints", "checkpoints/1200"])
def test_a_run_and_its_checkpoints(tmp_path, inside):
    run = tmp_path / "run"
    (run / "checkpoints" / "1200" / "state").mkdir(parents=True)
    (run / "checkpoints" / "1200" / "_CHECKPOINT_METADATA").touch()
    assert "has no model yet" in refusal(run / inside)
    assert "--init-from" in refusal(run / inside)
    (run / "model").mkdir()
    (run / "model" / "config.json").write_text("{}")
    assert f"whose model is {run / 'model'}: give that" in refusal(run / inside)


def test_other_directories(tmp_path):
    assert refusal(tmp_path) == "no config.json in it, so it is not a model; it is empty"
    data = tmp_path / "data"
    (data / "train").mkdir(parents=True)
    assert "it is a data set, for --data" in refusal(data)
    images = tmp_path / "images"
    images.mkdir()
    (images / "a.PNG").touch()
    assert refusal(images).endswith("it is a folder of images")
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "saved_model.pb").touch()
    assert "TensorFlow SavedModel" in refusal(saved)
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "model.safetensors").touch()
    assert "copy its config.json, too" in refusal(alone)
    for name in ("b", "a"):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "config.json").touch()
    models = tmp_path / "models"
    assert f"give {models / 'a'} or {models / 'b'}" in refusal(models)
    assert "no such model directory" in refusal(tmp_path / "nothing")


def test_a_clone_with_weights(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "models").mkdir()
    assert refusal(tmp_path).endswith("it is a git clone, which holds code")
    for name in ("checkpoints_a/best.pth", "b.pth", "models/c.pt", "models/d.pt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    said = refusal(tmp_path)
    assert "a git clone, which holds code, with b.pth, checkpoints_a/best.pth, models/c.pt" in said
    assert f"haqagen weights import colormamba {tmp_path}/b.pth -o DIR" in said


@pytest.mark.parametrize("command", ["colorize", "evaluate", "export", "demo"])
def test_the_commands_say_it(tmp_path, capsys, command):
    path = torch_file(tmp_path / "best.pth")
    words = {
        "colorize": ["a.png", "-o", "b"],
        "evaluate": ["--data", "d"],
        "export": ["-o", "m"],
        "demo": [],
    }
    with pytest.raises(SystemExit) as stopped:
        main.main([command, *words[command], "--model", str(path)])
    assert stopped.value.code == 2
    out, error = capsys.readouterr()
    assert not out
    assert error.startswith(f"haqagen: {path}: is a PyTorch checkpoint, not a model directory; ")
    assert error.count("\n") == 1
