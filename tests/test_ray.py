"""The folder of launch/ray_colorize.py on one machine; skipped where Ray is not installed."""

import json
import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("ray", reason="Ray is an extra: pip install '.[ray]'")

SCRIPT = Path(__file__).parents[1] / "launch" / "ray_colorize.py"


@pytest.mark.slow
def test_a_folder_on_one_node(tmp_path):
    (tmp_path / "in").mkdir()
    rng, pictures = np.random.default_rng(0), {}
    for i in range(7):
        pictures[f"{i}.png"] = rng.permutation(600).reshape(20, 30).astype(np.uint16)
        pictures[f"{i}.png"].flat[rng.choice(600, 2, False)] = 0, 65_535
        Image.fromarray(pictures[f"{i}.png"]).save(tmp_path / "in" / f"{i}.png")
    (tmp_path / "in" / "bad.png").write_text("not a picture")
    out, report = tmp_path / "out", tmp_path / "r.json"
    words = [sys.executable, SCRIPT, tmp_path / "in", "-o", out, "--model", "grey"]
    words += ["--workers", "2", "--files", "2", "--report", report]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1].startswith("7 colored, 1 failed; ")
    assert "bad.png: not a PNG, JPEG or TIFF" in done.stderr
    for name, picture in pictures.items():
        got = imagecodecs.imread(out / name.replace(".", "_rgb."))
        np.testing.assert_array_equal(got, np.repeat(picture[..., None], 3, -1))
    files = json.loads(report.read_text("utf-8"))["files"]
    assert sorted(Path(file["input"]).name for file in files) == [*sorted(pictures), "bad.png"]
    again = subprocess.run(
        [*map(str, words[:-2]), "--resume"], capture_output=True, text=True, check=False
    )
    assert "0 colored, 7 complete before, 1 failed; " in again.stdout
