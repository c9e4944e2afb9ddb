"""Work that ends early, by a signal, a full disk or a power cut, and is taken up again."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
from PIL import Image

from haqagen_jax.batch import run as module
from haqagen_jax.batch.run import colorize_files
from haqagen_jax.batch.select import Rules
from haqagen_jax.images import files as image_files
from haqagen_jax.inference.settings import Settings

RNG = np.random.default_rng(0)


def color(folder, out, *, report=None, **rules):
    return colorize_files(
        [str(folder)],
        str(out),
        "grey",
        Settings(batch=1),
        Rules(**rules),
        report=report,
        progress=False,
    )


@pytest.fixture
def pictures(tmp_path):
    """Three small images and one of another kind."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(RNG.integers(0, 256, (30, 20), dtype=np.uint8)).save(folder / name)
    tifffile.imwrite(folder / "d.tif", RNG.integers(0, 60_000, (40, 30), dtype=np.uint16))
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


OUTPUTS = ["a_rgb.png", "b_rgb.png", "c_rgb.png", "d_rgb.tif"]


def damage(path, kind):
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:-5])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "another size":
        image_files.write(path, np.zeros((9, 9, 3), np.uint8))
    else:
        path.write_text("not a picture")


@pytest.mark.parametrize("kind", ["cut", "empty", "another size", "text"])
@pytest.mark.parametrize("name", ["b_rgb.png", "d_rgb.tif"])
def test_resume_skips_what_is_complete(pictures, tmp_path, capsys, kind, name):
    out = tmp_path / "out"
    assert color(pictures, out) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    stamps = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    damage(out / name, kind)
    (out / "a_rgb.png").unlink()
    capsys.readouterr()
    assert color(pictures, out, resume=True) == 0
    assert capsys.readouterr().out.startswith("2 colored, 2 complete before, 0 failed; ")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    kept = {other for other in OUTPUTS if other not in ("a_rgb.png", name)}
    assert {other for other in OUTPUTS if (out / other).stat().st_mtime_ns == stamps[other]} == kept


def test_resume_clears_what_a_killed_run_left(pictures, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / ".b_rgb.png.123.part").touch()
    (out / ".x_rgb.png.123.part").touch()  # another run's
    assert color(pictures, out, resume=True) == 0
    assert names(out) == [".x_rgb.png.123.part", *OUTPUTS]


def test_the_report_lists_every_file(pictures, tmp_path, capsys):
    (pictures / "bad.png").write_text("not a picture")
    (tmp_path / "empty").mkdir()
    report = tmp_path / "reports" / "r.json"
    status = colorize_files(
        [str(pictures), str(tmp_path / "empty")],
        str(tmp_path / "out"),
        "grey",
        report=str(report),
        progress=False,
    )
    assert status == 1
    read = json.loads(report.read_text("utf-8"))
    counts = {name: read[name] for name in ("coloured", "complete", "failed", "left")}
    assert counts == {"coloured": 4, "complete": 0, "failed": 2, "left": 0}
    assert read["model"] == "grey"
    assert read["settings"]["stride"] == 222
    files = {os.path.basename(file["input"]): file for file in read["files"]}
    assert sorted(files) == ["a.png", "b.png", "bad.png", "c.png", "d.tif", "empty"]
    assert files["d.tif"] == {
        "input": str(pictures / "d.tif"),
        "output": str(tmp_path / "out" / "d_rgb.tif"),
        "status": "coloured",
        "message": None,
        "height": 40,
        "width": 30,
    }
    assert files["bad.png"]["status"] == "failed"
    assert "not a PNG, JPEG or TIFF" in files["bad.png"]["message"]
    assert "holds no PNG" in files["empty"]["message"]


def test_an_interrupt_keeps_what_is_finished_and_reports_the_rest(pictures, tmp_path, monkeypatch):
    out, report = tmp_path / "out", tmp_path / "r.json"
    ask, asked = module.open_images, []

    def interrupted(path, *args):
        asked.append(path)
        if len(asked) == 4:
            while not (out / "a_rgb.png").exists():
                time.sleep(0.01)
            raise KeyboardInterrupt
        return ask(path, *args)

    with monkeypatch.context() as patch:
        patch.setattr(module, "open_images", interrupted)
        with pytest.raises(KeyboardInterrupt):
            color(pictures, out, report=str(report))
    found = {os.path.basename(f["input"]): f for f in json.loads(report.read_text())["files"]}
    done = {name for name, file in found.items() if file["status"] == "coloured"}
    assert "a.png" in done
    assert {file["status"] for name, file in found.items() if name not in done} == {"left"}
    assert names(out) == [name.replace(".", "_rgb.") for name in sorted(done)]
    assert color(pictures, out, resume=True) == 0
    assert names(out) == OUTPUTS


@pytest.mark.parametrize("share", [2, 3, 9])
def test_processes_share_the_files(pictures, tmp_path, share):
    out, done = tmp_path / "out", []
    for number in range(share):
        report = tmp_path / "r.json"
        assert color(pictures, out, share=(number, share), report=str(report)) == 0
        files = json.loads((tmp_path / f"r.{number}.json").read_text())["files"]
        done += [os.path.basename(file["input"]) for file in files]
    assert sorted(done) == ["a.png", "b.png", "c.png", "d.tif"]
    assert names(out) == OUTPUTS


PROGRAM = [sys.executable, "-m", "haqagen_jax", "colorize", "--model", "grey"]


def large_picture(path, side=3000):
    image = np.random.default_rng(0).integers(0, 60_000, (side, side), dtype=np.uint16)
    tifffile.imwrite(path, image, tile=(256, 256))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_in_the_middle_of_a_picture(tmp_path, number):
    large_picture(tmp_path / "large.tif")
    out, report = tmp_path / "out", tmp_path / "r.json"
    words = [*PROGRAM, str(tmp_path / "large.tif"), "-o", str(out), "--report", str(report)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        until = time.monotonic() + 100
        while not (parts := list(out.glob(".large_rgb.tif.*.part")) if out.exists() else []):
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(number)
        _, said = process.communicate(timeout=100)
    assert process.returncode not in (0, 1)
    if number == signal.SIGKILL:
        assert names(out) == [parts[0].name]
    else:
        assert names(out) == []
        assert len([line for line in said.decode().splitlines() if "haqagen: " in line]) == 1
        (file,) = json.loads(report.read_text())["files"]
        assert file["status"] == "left"
    done = subprocess.run([*words, "--resume"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert names(out) == ["large_rgb.tif"]


def test_a_full_disk(tmp_path):
    """No file may grow beyond a megabyte: the large image fails, the small one is done."""
    (tmp_path / "in").mkdir()
    large_picture(tmp_path / "in" / "a.tif", 1000)
    large_picture(tmp_path / "in" / "b.tif", 200)

    limited = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
from haqagen_jax.cli.main import main
main(sys.argv[1:])
"""
    out = tmp_path / "out"
    words = ["colorize", "--model", "grey", str(tmp_path / "in"), "-o", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", limited, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("haqagen: ")]
    assert f"{out / 'a_rgb.tif'}: cannot be written (File too large); free the disk" in line
    assert names(out) == ["b_rgb.tif"]
