from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from haqagen_jax.cli.demo import CAPTION, GAP, PANEL, Row, demo, draw_sheet


def flat(height: int, width: int, color: tuple[int, int, int]) -> np.ndarray:
    return np.full((height, width, 3), color, np.uint8)


def test_the_sheet_has_a_row_an_image_and_a_column_a_kind() -> None:
    red, green, blue = (200, 0, 0), (0, 200, 0), (0, 0, 200)
    rows = [
        Row(("a", "b", "c"), (flat(600, 800, red), flat(600, 800, green), flat(600, 800, blue))),
        Row(("d", "e"), (flat(7, 5, green), flat(7, 5, red))),
    ]
    sheet = draw_sheet(rows)
    # 800 x 600 shrinks to 400 x 300, 5 x 7 stays.
    assert sheet.shape == (GAP + CAPTION + 300 + GAP + CAPTION + 7 + GAP, 4 * GAP + 3 * 400, 3)
    top, left = GAP + CAPTION, GAP
    for color in (red, green, blue):
        assert (sheet[top : top + 300, left : left + 400] == color).all()
        assert (sheet[top : top + 300, left - 1] > 240).all()
        assert (sheet[top - CAPTION : top, left : left + 40] < 100).any(), "no caption"
        left += PANEL[0] + GAP
    top += 300 + GAP + CAPTION
    assert (sheet[top : top + 7, GAP : GAP + 5] == green).all()
    assert (sheet[top : top + 7, GAP + 412 : GAP + 417] == red).all()
    assert (sheet[top:, GAP + 2 * 412 :] > 240).all()


def test_a_long_name_does_not_run_into_the_next_column() -> None:
    sheet = draw_sheet([Row(("long" * 60, ""), (flat(2, 2, (9, 9, 9)), flat(2, 2, (9, 9, 9))))])
    assert (sheet[:, GAP + 401 : GAP + 412] > 240).all()


def test_three_scenes_at_their_depths_beside_the_truth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo(tmp_path, model="grey") == 0
    kinds = []
    for path in sorted((tmp_path / "output").iterdir()):
        image = imagecodecs.imread(path)
        kinds.append((path.suffix, image.shape, str(image.dtype)))
    assert kinds == [
        (".png", (480, 640, 3), "uint8"),
        (".tif", (683, 1024, 3), "uint16"),
        (".png", (517, 333, 3), "uint16"),
    ]
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    heights = [300, 267, 300]
    assert sheet.shape == (sum(heights) + 3 * CAPTION + 4 * GAP, 3 * 412 + GAP, 3)
    nir, colored, truth = (
        sheet[GAP + CAPTION :, GAP + 412 * column :][:300, :400].astype(int) for column in range(3)
    )
    np.testing.assert_array_equal(nir[..., 0], nir[..., 2])
    # The grey model repeats what it is given, but for a stretch that leaves outliers out.
    np.testing.assert_array_equal(colored[..., 0], colored[..., 2])
    assert np.corrcoef(nir.ravel(), colored.ravel())[0, 1] > 0.99
    file = np.asarray(Image.open(tmp_path / "input" / "scene_0046_rgb.png"))
    np.testing.assert_allclose(truth.mean((0, 1)), file.mean((0, 1)), atol=1)
    assert str(tmp_path / "sheet.png") in capsys.readouterr().out


@pytest.mark.parametrize("size", [(1, 1), (40, 60)])
def test_an_image_of_the_users_own_has_no_truth(tmp_path: Path, size: tuple[int, int]) -> None:
    nir = np.random.default_rng(0).integers(0, 60000, size, dtype=np.uint16)
    Image.fromarray(nir).save(tmp_path / "mine.png")
    for _ in range(2):  # the second run replaces the first
        assert demo(tmp_path / "out", image=tmp_path / "mine.png", model="grey") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["output", "sheet.png"]
    assert [path.name for path in (tmp_path / "out" / "output").iterdir()] == ["mine_rgb.png"]
    sheet = imagecodecs.imread(tmp_path / "out" / "sheet.png")
    assert sheet.shape == (2 * GAP + CAPTION + size[0], 2 * 412 + GAP, 3)


def test_an_image_that_cannot_be_colored_leaves_no_sheet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.png").write_bytes(b"not an image")
    assert demo(tmp_path / "out", image=tmp_path / "broken.png", model="grey") == 1
    assert "broken.png" in capsys.readouterr().err
    assert not (tmp_path / "out" / "sheet.png").exists()
