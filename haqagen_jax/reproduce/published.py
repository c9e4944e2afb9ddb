"""Scores that the paper (Attri et al., "HAQAGen", WACV 2026) reports, table by table."""

from typing import NamedTuple


class Published(NamedTuple):
    """Published scores of one row.

    Attributes:
        psnr: PSNR, dB.
        ssim: SSIM, at most 1.
        ae: Angular error, degrees.
        lpips: LPIPS distance; None where the table has no such column.
    """

    psnr: float
    ssim: float
    ae: float
    lpips: float | None = None


# Table 2, VCIP 2020.
METHODS = {
    "SST": Published(14.26, 0.57, 5.61, 0.361),
    "NIR-GNN": Published(17.50, 0.60, 5.22, 0.384),
    "MFF": Published(17.39, 0.61, 4.69, 0.318),
    "ATCGAN": Published(19.59, 0.59, 4.33, 0.295),
    "Restormer": Published(19.43, 0.54, 4.41, 0.267),
    "DRSformer": Published(20.18, 0.56, 4.22, 0.254),
    "MPFNet": Published(22.14, 0.63, 3.68, 0.253),
    "CoColor": Published(23.54, 0.69, 2.68, 0.233),
    "MCFNet": Published(20.34, 0.61, 3.79, 0.208),
    "ColorMamba": Published(24.56, 0.71, 2.81, 0.212),
}
HAQAGEN = Published(24.96, 0.71, 2.96, 0.18)  # Tables 2, 3, 4 and 5

# Table 3, HAQAGen and ColorMamba on each set.
SETS = {
    "fanvid": Published(18.4, 0.724, 4.65, 0.52),
    "omsiv": Published(16.67, 0.61, 6.90, 0.37),
    "vcip2020": HAQAGEN,
    "rgb2nir": Published(15.97, 0.60, 7.41, 0.38),
}
COLORMAMBA = {
    "fanvid": Published(17.63, 0.65, 26.79, 0.64),
    "omsiv": Published(17.61, 0.58, 25.87, 0.52),
    "vcip2020": Published(24.56, 0.71, 2.81, 0.21),
    "rgb2nir": Published(17.22, 0.58, 29.30, 0.61),
}

# Table 4, what L_rec is made of, and Table 5, HSV-SPADE; VCIP 2020. The rows of
# `configs/ablations.py`.
LOSSES = {
    "colormamba": Published(24.56, 0.71, 2.81),
    "vgg": Published(23.63, 0.70, 4.32),
    "histogram": Published(23.81, 0.68, 3.66),
    "texture": Published(24.12, 0.69, 3.01),
    "full": HAQAGEN._replace(lpips=None),
}
SPADE = {
    "without_spade": Published(24.21, 0.69, 3.52),
    "with_spade": HAQAGEN._replace(lpips=None),
}
