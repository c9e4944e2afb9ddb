"""What the tiles of large pictures disagree about, with and without `--consistent`.

    python benchmarks/seams.py --data PAIRS

Means over the pairs of a folder: likeness to the truth, the seam energy beyond that of the true
picture (over one pixel, eight, and the width of the blend), and how far tiles differ where they
overlap. Speeds play no part.
"""

import argparse
import statistics

import numpy as np

import haqagen_jax
from haqagen_jax.data.folder import usable_pairs
from haqagen_jax.data.pair import decode_pair
from haqagen_jax.evaluation.evaluate import measure
from haqagen_jax.evaluation.seams import overlap_difference, seam_energy
from haqagen_jax.inference.picture import Picture
from haqagen_jax.inference.tiling import TilePlan

HEAD = ("tiles", "PSNR", "SSIM", "energy: 1", "8", "blend", "overlaps differ by")


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="pairs larger than the training's")
    parser.add_argument("--split")
    parser.add_argument("--model")
    parser.add_argument("--stride", type=int, default=222)
    args = parser.parse_args()
    pairs, _ = usable_pairs(args.data, args.split)
    decoded = [decode_pair(pair.encoded()) for pair in pairs]
    print(f"| {' | '.join(HEAD)} |\n|---|" + "--:|" * (len(HEAD) - 1), flush=True)
    for name, consistent in (("by themselves", False), ("consistent", True)):
        model = haqagen_jax.load(args.model, stride=args.stride, consistent=consistent)
        rows = [score(model, nir, rgb) for nir, rgb in decoded]
        psnr, ssim, *rest = (statistics.fmean(column) for column in zip(*rows, strict=True))
        cells = [f"{psnr:.2f}", f"{ssim:.3f}", *(f"{value:+.3f}" for value in rest[:-1])]
        print(f"| {name} | {' | '.join(cells)} | {rest[-1]:.4f} |", flush=True)


def score(model: haqagen_jax.Colorizer, nir: np.ndarray, rgb: np.ndarray) -> tuple[float, ...]:
    """The cells of one pair."""
    kept: dict[tuple[int, int], np.ndarray] = {}
    take = Picture.take

    def keep(self: Picture, window: object, tile: np.ndarray, origin: tuple[int, int]) -> None:
        if window is self.detail:
            kept[origin] = tile
        take(self, window, tile, origin)  # pyright: ignore

    Picture.take = keep  # pyright: ignore
    try:
        colours = model.colorize(nir, dtype=np.float32)
    finally:
        Picture.take = take
    plan = TilePlan(*nir.shape[:2], model.settings.tile, model.settings.stride)
    scores = measure(colours, rgb)
    energies = [
        seam_energy(colours, plan, reach) - seam_energy(rgb, plan, reach)
        for reach in (1, 8, plan.tile - plan.stride)
    ]
    likeness = scores["PSNR sRGB"], scores["SSIM sRGB"]
    return *likeness, *energies, overlap_difference(kept, plan)


if __name__ == "__main__":
    main()
