"""In processes of their own: the configuration of jax is global."""

import os
import subprocess
import sys

import pytest

CODE = """
import jax
from haqagen_jax.system.cache import keep_programs
keep_programs()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
print(jax.jit(lambda x: x @ x.T + 1)(jax.numpy.ones((9, 9))).sum())
"""


def run(**changes):
    environment = os.environ | {"HAQAGEN_CACHE": None} | changes
    environment = {name: value for name, value in environment.items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "810.0\n", "")


def test_programs_are_kept(tmp_path):
    run(JAX_COMPILATION_CACHE_DIR=None, XDG_CACHE_HOME=str(tmp_path))
    assert len(list((tmp_path / "haqagen_jax").iterdir())) > 0


def test_the_folder_has_a_name_of_its_own(tmp_path):
    places = {"HAQAGEN_CACHE": str(tmp_path / "own"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    run(JAX_COMPILATION_CACHE_DIR=None, **places)
    assert len(list((tmp_path / "own").iterdir())) > 0
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("place", ["", "elsewhere"])
def test_the_environment_decides(tmp_path, place):
    place = place and str(tmp_path / place)
    run(JAX_COMPILATION_CACHE_DIR=place, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert not (tmp_path / "cache").exists()


def test_a_place_that_cannot_be_written_into_is_no_matter(tmp_path):
    (tmp_path / "file").touch()
    run(JAX_COMPILATION_CACHE_DIR=None, XDG_CACHE_HOME=str(tmp_path / "file"))
