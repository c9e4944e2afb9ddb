"""Record which module calls which along the walks of the package, as JSON on stdout.

    python benchmarks/walks.py WALK

`benchmarks/house.py` runs this with PYTHONPATH set to the checkout that it measures, and counts.
Every walk is done on files that are made here. A step of a walk is a call from a function of one
module to a function of another; a step that is repeated, as in a loop over tiles, counts once, and
so do threads that do the same. What a network does inside of itself is not followed.
"""

import contextlib
import importlib
import inspect
import json
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import haqagen_jax

PACKAGE = Path(haqagen_jax.__file__).parent
NOT_FOLLOWED = ("models", "ops")  # below what calls them
SIDE, LARGE = 40, 1100  # pixels; the square of LARGE is above what is decoded as a whole
CONFIG = "configs/haqagen.py:tiny"
OVERRIDES = (
    "loss.beta=0",
    "loss.feature=0",
    "loss.delta=0",
    "data.crop=256",
    "train.batch_size=1",
    "train.steps=1",
)

# Where the functions lie that walks begin with: now, and before the modules moved.
MODULES = {
    "create_state": ("train.state",),
    "load_config": ("config.load", "presets"),
    "main": ("__main__",),
    "make_train_step": ("train.step",),
    "open_nir": ("images.source", "image_source"),
    "prepare": ("run.setup", "train.setup"),
    "split_pairs": ("data.folder",),
    "train_iterator": ("data.pipeline",),
}


class Recorder:
    """Records the calls that cross the border of a module, thread by thread.

    Attributes:
        begin: Names of functions; recording begins with the first call of one of them.
        end: Recording ends with the first return from a function of this name.
        whole_config: Record only calls of functions that are given the whole configuration.
        opened: The files that were opened meanwhile, from the time of `__enter__`.
    """

    def __init__(
        self, begin: tuple[str, ...] = (), end: str = "", *, whole_config: bool = False
    ) -> None:
        self.begin, self.end, self.whole_config = begin, end, whole_config
        self.opened: list[str] = []
        self._on = not begin
        self._modules: dict[CodeType, str | None] = {}
        self._steps: dict[int, dict[tuple, None]] = {}  # by thread: an ordered set

    def __enter__(self) -> "Recorder":
        sys.addaudithook(self._audit)
        threading.setprofile(self._event)
        sys.setprofile(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        self._on, self.begin = False, ()
        sys.setprofile(None)
        threading.setprofile(None)  # pyright: ignore[reportArgumentType]: the stubs know no None

    def steps(self) -> list[list[tuple[str | None, str]]]:
        """Return (caller, called) modules in order, one list for each call from outside."""
        longest: dict[tuple, list[tuple]] = {}
        for thread in self._steps.values():
            calls: list[list[tuple]] = []
            for step in thread:
                if step[0] is None or not calls:
                    calls.append([])
                calls[-1].append(step)
            for call in calls:  # threads that do the same begin with the same step
                longest[call[0]] = max(call, longest.get(call[0], []), key=len)
        return [[(step[0], step[1]) for step in call] for call in longest.values()]

    def _event(self, frame: FrameType, event: str, _: object) -> None:
        if event not in ("call", "return"):
            return
        module = self._module(frame)
        if module is None:
            return
        name = frame.f_code.co_name
        if event == "return":
            self._on = self._on and name != self.end
            return
        if name in self.begin:
            self._on, self.begin = True, ()
        if not self._on or not self._counts(frame):
            return
        caller, above = frame.f_back, None
        while caller is not None:
            above = self._module(caller)
            if above is not None and self._counts(caller):
                break
            caller, above = caller.f_back, None
        if above == module or (above or "").partition(".")[0] in NOT_FOLLOWED:
            return
        step = (above, module, caller and caller.f_code, frame.f_code)
        self._steps.setdefault(threading.get_ident(), {})[step] = None

    def _audit(self, event: str, details: tuple) -> None:
        if event == "open" and isinstance(details[0], str):
            self.opened.append(details[0])

    def _counts(self, frame: FrameType) -> bool:
        if not self.whole_config:
            return True
        code = frame.f_code
        given = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        return any(type(frame.f_locals.get(name)).__name__ == "Config" for name in given)

    def _module(self, frame: FrameType) -> str | None:
        """Return the module of a frame, relative to the package; None outside of it."""
        code = frame.f_code
        if code not in self._modules:
            path = Path(code.co_filename)
            runs = code.co_flags & inspect.CO_OPTIMIZED  # unlike bodies of modules and classes
            inside = runs and path.is_relative_to(PACKAGE)
            parts = path.relative_to(PACKAGE).with_suffix("").parts if inside else ()
            name = ".".join(part for part in parts if part != "__init__")
            self._modules[code] = name if inside else None
        return self._modules[code]


def function(name: str) -> Callable[..., Any]:
    """Return a function of the package from the first of its modules that there is."""
    for module in MODULES[name]:
        with contextlib.suppress(ModuleNotFoundError):
            return getattr(importlib.import_module(f"haqagen_jax.{module}"), name)
    raise AttributeError(f"{PACKAGE}: no function {name}")


def haqagen(*words: str) -> None:
    """Run a command of the package, whose exit status must be 0."""
    main = function("main")
    sys.argv = ["haqagen", *words]
    try:
        main()
    except SystemExit as error:
        if error.code:
            raise RuntimeError(f"haqagen {' '.join(words)}: exit status {error.code}") from None


def write_image(path: Path, side: int, channels: int = 1) -> Path:
    """Write a random 8-bit image."""
    import numpy as np
    import tifffile
    from PIL import Image

    shape = (side, side) if channels == 1 else (side, side, channels)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels, rowsperstrip=64)
    else:
        Image.fromarray(pixels).save(path)
    return path


def write_pairs(folder: Path) -> Path:
    """Write a folder with a pair for training and one for validation."""
    for split in ("train", "val"):
        (folder / split).mkdir(parents=True)
        write_image(folder / split / "a_nir.png", 256)
        write_image(folder / split / "a_rgb.png", 256, 3)
    return folder


def color(folder: Path, name: str, side: int) -> tuple[Recorder, Path]:
    """From the first look at a NIR file to its colors on disk, through a network."""
    image = write_image(folder / name, side)
    words = ("colorize", str(image), "-o", str(folder / f"out{image.suffix}"))
    with Recorder(("color", "colour")) as recorder:
        haqagen(*words, "--model", "small", "--size", "256", "--batch", "1")
    return recorder, image


def opening(folder: Path, name: str, side: int) -> tuple[Recorder, Path]:
    """From the name of a NIR file to a source of its pixels."""
    image = write_image(folder / name, side)
    open_nir = function("open_nir")
    with Recorder() as recorder:
        open_nir(image)
    return recorder, image


def pair(folder: Path) -> tuple[Recorder, Path]:
    """From a folder to the loss of the generator; the step is traced, not computed."""
    import jax

    data = write_pairs(folder / "data")
    config = function("load_config")(CONFIG, OVERRIDES)
    split_pairs, train_iterator = function("split_pairs"), function("train_iterator")
    dtype = jax.numpy.float32
    state = jax.eval_shape(
        lambda key: function("create_state")(key, config=config, steps=1, dtype=dtype),
        jax.random.key(0),
    )
    make_train_step = function("make_train_step")
    with Recorder(end="generator_objective") as recorder:
        pairs = split_pairs([data], "train")
        batch = next(train_iterator(pairs, config.data, batch_size=1, seed=0))
        step = make_train_step(config, steps=1, texture=None, vgg=None, dtype=dtype)
        jax.eval_shape(step, state, batch)
    return recorder, data / "train/a_nir.png"


def config(folder: Path) -> tuple[Recorder, Path]:
    """From the command line to networks that are traced: calls that are given a whole Config."""
    import jax

    data = write_pairs(folder / "data")
    load_config, prepare = function("load_config"), function("prepare")
    with Recorder(whole_config=True) as recorder:
        setup = prepare([data], folder / "run", load_config(CONFIG, OVERRIDES))
        jax.eval_shape(setup.step, setup.shapes, next(setup.batches))
    return recorder, data


def model(folder: Path) -> tuple[Recorder, Path]:
    """From a model directory, and its config.json, to a network with its variables."""
    directory = folder / "model"
    directory.symlink_to(PACKAGE / "assets/small")
    haqagen_jax.load(directory)  # imports what is imported on the first use
    with Recorder() as recorder:
        haqagen_jax.load(directory)
    return recorder, directory / "config.json"


WALKS: dict[str, Callable[[Path], tuple[Recorder, Path]]] = {
    "a PNG through colorize": lambda folder: color(folder, "nir.png", SIDE),
    "a large TIFF through colorize": lambda folder: color(folder, "nir.tif", LARGE),
    "opening a PNG": lambda folder: opening(folder, "nir.png", SIDE),
    "opening a large TIFF": lambda folder: opening(folder, "nir.tif", LARGE),
    "a pair, disk to loss": pair,
    "the whole Config": config,
    "a model, disk to network": model,
}


def main() -> None:
    """Do one walk, and print its steps and how often its file was opened."""
    with tempfile.TemporaryDirectory() as folder:
        recorder, file = WALKS[sys.argv[1]](Path(folder))
        openings = recorder.opened.count(str(file))
    print(json.dumps({"steps": recorder.steps(), "openings": openings}))


if __name__ == "__main__":
    main()
