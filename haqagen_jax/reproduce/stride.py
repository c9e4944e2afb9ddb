"""The effect of the sliding window's stride on scores, seams and time (HAQAGen Sec. 3.3(ii))."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from haqagen_jax import api
from haqagen_jax.data.folder import usable_pairs
from haqagen_jax.data.pair import Pair, decode_pair
from haqagen_jax.errors import InputError, printable
from haqagen_jax.evaluation import scoring
from haqagen_jax.evaluation.measure import Perceptual, Row, measure
from haqagen_jax.evaluation.seams import seam_energy
from haqagen_jax.evaluation.statistics import finite_mean
from haqagen_jax.evaluation.tables import aligned, number
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.inference.settings import MINMAX, Settings
from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.system import strict_json
from haqagen_jax.system.console import bars, complain
from haqagen_jax.system.files import prepare_folder, write_bytes

NAME = "stride-sweep"
STRIDES = (128, 160, 192, 208, 222, 232, 240, 248, 256)
_SEAM, _BLEND, _TIME = "seam 1 px", "seam blend", "s a megapixel"
_SHOWN = ("PSNR linear", "PSNR sRGB", "SSIM linear", "SSIM sRGB", "LPIPS", _SEAM, _BLEND, _TIME)
_NOTE = (
    "Sliding window (--mode sliding). Seam energy is the variance of differences across the "
    "borders of tiles over that inside of tiles, less that of the true picture; over one pixel, "
    "and over the width of the blend."
)


def sweep(
    data: str,
    workdir: str,
    *,
    model: str | None = None,
    strides: Sequence[int] = STRIDES,
    lpips: str | None = None,
    progress: bool = True,
) -> int:
    """Score one model at several strides and print a table.

    Args:
        data: Data directory, whose test split is used. Images within one tile have no seams.
        workdir: Directory into which `stride-sweep.md` and `.json` are written.
        model: See `haqagen_jax.load`.
        strides: Strides in pixels.
        lpips: See `haqagen_jax.evaluation.evaluate.evaluate`.
        progress: Show a progress bar on stderr.

    Returns:
        The exit status: 0 when every pair was scored, else 1.

    Raises:
        InputError: If there are no pairs or no model, a stride is out of range, or no pair could be
            scored.
    """
    pairs, problems = usable_pairs(data, "test")
    distance = scoring.load_perceptual(lpips)
    settings = [Settings(mode="sliding", stretch=MINMAX, stride=stride) for stride in strides]
    name = api.load(model, settings[0]).name
    prepare_folder(Path(workdir))
    failed = dict.fromkeys(problems)
    for problem in problems:
        complain(problem)
    scores: dict[int, dict[str, Row]] = {}
    with bars(progress) as display:
        task = display.add_task("pictures", total=len(pairs) * len(strides))
        for stride, stride_settings in zip(strides, settings, strict=True):
            rows = scores[stride] = {}
            for pair, row in _scored(model, stride_settings, pairs, distance):
                if isinstance(row, InputError):
                    if str(row) not in failed:
                        complain(str(row), display.console)
                    failed[str(row)] = None
                else:
                    rows[pair.name] = row
                display.advance(task)
    means = {stride: _means(rows) for stride, rows in scores.items() if rows}
    if not means:
        raise InputError(f"{data}: no test pair could be scored; mend what is named")
    text = _markdown(means, f"{printable(data)}, {len(pairs)} test pairs, model {name}.")
    write_bytes(Path(workdir, f"{NAME}.md"), text.encode())
    write_bytes(
        Path(workdir, f"{NAME}.json"),
        (strict_json.dumps(strict_json.finite(means), indent=2) + "\n").encode(),
    )
    print(text)
    if distance is None and lpips is None:
        print(scoring.missing_lpips_message())
    return 1 if failed else 0


def _scored(
    model: str | None, settings: Settings, pairs: Sequence[Pair], distance: Perceptual | None
) -> Iterator[tuple[Pair, Row | InputError]]:
    """Yield each pair with its scores, or with the error that explains why it has none.

    The model is loaded here, so that it is freed in the end: each has its own copy of the weights.
    """
    colorizer = api.load(model, settings)
    _warm_up(colorizer)
    for pair in pairs:
        try:
            yield pair, _score(colorizer, pair, distance)
        except InputError as error:
            yield pair, error


def _warm_up(model: Colorizer) -> None:
    """Compile the program, so that the time of the first pair does not include it."""
    model.colorize(np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16))


def _score(model: Colorizer, pair: Pair, distance: Perceptual | None) -> Row:
    encoded = pair.encoded()
    nir, truth = decode_pair(encoded)
    since = time.perf_counter()
    try:
        rgb = model.colorize(nir, dtype=np.float32)
        seconds = time.perf_counter() - since
        row = measure(np.asarray(rgb), truth, distance)
    except ValueError as error:
        raise InputError(f"{encoded.nir_source}: {error}") from None
    row[_TIME] = seconds / (nir.size / 1e6)
    height, width = nir.shape
    plan = TilePlan(height, width, model.settings.tile, model.settings.stride)
    for name, reach in ((_SEAM, 1), (_BLEND, max(1, plan.tile - plan.stride))):
        try:
            row[name] = seam_energy(rgb, plan, reach) - seam_energy(truth, plan, reach)
        except ValueError:  # one tile has no seams
            continue
    return row


def _means(rows: Mapping[str, Row]) -> Row:
    columns = dict.fromkeys(name for row in rows.values() for name in row)
    return {c: finite_mean([r[c] for r in rows.values() if c in r]) for c in columns}


def _markdown(means: Mapping[int, Row], about: str) -> str:
    columns = [name for name in _SHOWN if any(name in row for row in means.values())]
    cells = [
        [str(stride), *(number(c, row[c]) if c in row else "" for c in columns)]
        for stride, row in means.items()
    ]
    return "\n".join([aligned(["stride", *columns], cells), "", about, _NOTE]) + "\n"
