"""What should be said at once does not wait for jax, in a process of its own."""

import subprocess
import sys

import imagecodecs
import numpy as np
import pytest

END = "\nprint(sorted({'jax', 'tensorflow_datasets', 'grain', 'matplotlib'} & set(sys.modules)))"
COMMAND = """
import sys
from haqagen_jax.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as error:
    print(error.code)
"""


def python(code: str, *words: str) -> list[str]:
    command = [sys.executable, "-c", code + END, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.splitlines()[-2:]


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("train", "--help")])
def test_help_loads_no_jax(words):
    assert python(COMMAND, *words) == ["0", "[]"]


@pytest.mark.parametrize(
    "words",
    [
        ("colorize", "a.png", "-o", "b", "--mode", "nonsense"),
        ("colorize", "a.png", "-o", "b", "--window", "nonsense"),
        ("colorize", "a.png", "-o", "b", "--share", "2/2"),
        ("colorize", "a.png", "-o", "b", "--overwrite", "--resume"),
        ("colorize", "a.png", "-o", "b", "--model", "nowhere"),
        ("evaluate", "--data", "d", "--radius", "0"),
        ("evaluate", "--data", "d", "--mode", "nonsense"),
        ("evaluate", "--data", "d", "--model", "nowhere"),
        ("reproduce", "table2", "--data", "d", "--workdir", "w", "--model", "small"),
        ("reproduce", "stride-sweep", "--data", "d", "--workdir", "w", "--model", "nowhere"),
        ("train", "--data", "d", "--workdir", "w", "--set", "train.stepz=1"),
        ("pretrain-texture", "--data", "d", "--workdir", "w", "--config", "nowhere.py"),
        ("dataset", "build", "nonsense", "--out", "d"),
        ("dataset", "build", "synthetic", "--out", "d", "--count", "1"),
        ("dataset", "inspect", "nowhere"),
        ("demo", "--model", "nowhere"),
        ("export", "-o", "m.stablehlo", "--model", "nowhere"),
        ("info", "--config", "nowhere.py"),
        ("info", "nowhere"),
        ("evaluate", "--data", "nowhere"),
        ("reproduce", "table2", "--data", "nowhere", "--workdir", "w"),
        ("reproduce", "stride-sweep", "--data", "vcip2020=nowhere", "--workdir", "w"),
        ("train", "--data", "nowhere", "--workdir", "w"),
        ("train", "--data", "nowhere", "--workdir", "w", "--dry-run"),
        ("pretrain-texture", "--data", "nowhere", "--workdir", "w"),
        ("pretrain-prior", "--data", "nowhere", "--workdir", "w", "--photos", "p"),
        ("weights", "import", "nonsense", "file"),
        ("weights", "download", "nonsense"),
    ],
)
def test_a_refusal_loads_no_jax(words):
    assert python(COMMAND, *words) == ["2", "[]"]


@pytest.mark.parametrize("names", [["nowhere.png"], ["nowhere.png", "*.none", "no/where.tif"]])
def test_missing_inputs_load_no_jax(names):
    assert python(COMMAND, "colorize", *names, "-o", "out") == ["1", "[]"]


def test_an_image_file_is_opened_without_jax(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(np.eye(4, dtype=np.uint8)))
    code = "import sys\nfrom haqagen_jax.images.source import open_nir\n"
    code += "print(open_nir(sys.argv[1]).source.rows(0, 4).sum())"
    assert python(code, str(path)) == ["4", "[]"]
