"""How visible the borders of the sliding window's tiles are, beside images that are seen whole.

    python benchmarks/seams.py --data PAIRS

Means over the pairs of a folder: PSNR and SSIM, and the seam energy at the borders of the
sliding window's tiles beyond that of the true image (over one pixel, eight, and the width of the
blend). Nothing is timed.
"""

import argparse
import statistics

import numpy as np

import haqagen_jax
from haqagen_jax.data.folder import usable_pairs
from haqagen_jax.data.pair import decode_pair
from haqagen_jax.evaluation.measure import measure
from haqagen_jax.evaluation.seams import seam_energy
from haqagen_jax.inference.settings import MODES
from haqagen_jax.inference.tiling import TilePlan

HEAD = ("mode", "PSNR", "SSIM", "energy: 1", "8", "blend")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="pairs larger than the training's")
    parser.add_argument("--split")
    parser.add_argument("--model")
    parser.add_argument("--stride", type=int, default=222)
    args = parser.parse_args()
    pairs, _ = usable_pairs(args.data, args.split)
    decoded = [decode_pair(pair.encoded()) for pair in pairs]
    print(f"| {' | '.join(HEAD)} |\n|---|" + "--:|" * (len(HEAD) - 1), flush=True)
    for mode in MODES:
        model = haqagen_jax.load(args.model, stride=args.stride, mode=mode)
        rows = [score(model, nir, rgb) for nir, rgb in decoded]
        psnr, ssim, *rest = (statistics.fmean(column) for column in zip(*rows, strict=True))
        cells = [f"{psnr:.2f}", f"{ssim:.3f}", *(f"{value:+.3f}" for value in rest)]
        print(f"| {mode} | {' | '.join(cells)} |", flush=True)


def score(model: haqagen_jax.Colorizer, nir: np.ndarray, rgb: np.ndarray) -> tuple[float, ...]:
    """Compute the cells of one pair."""
    colors = model.colorize(nir, dtype=np.float32)
    plan = TilePlan(*nir.shape[:2], model.settings.tile, model.settings.stride)
    scores = measure(colors, rgb)
    energies = [
        seam_energy(colors, plan, reach) - seam_energy(rgb, plan, reach)
        for reach in (1, 8, plan.tile - plan.stride)
    ]
    return scores["PSNR sRGB"], scores["SSIM sRGB"], *energies


if __name__ == "__main__":
    main()
