"""Files of all containers through the command: what comes out, and under which name."""

import io
import json
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from haqagen_jax.batch.run import colorize_files
from haqagen_jax.batch.select import Rules, plan_outputs, select
from haqagen_jax.errors import InputError
from haqagen_jax.images.bands import Choice

NIR = (np.random.default_rng(3).random((24, 32)) * 65535).astype(np.uint16)
SMALL = (NIR >> 8).astype(np.uint8)
STACK = np.stack([NIR, NIR[::-1], NIR[:, ::-1]])


def webp(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


def npy(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, image)
    return buffer.getvalue()


PGM = b"P5 32 24 65535\n" + NIR.astype(">u2").tobytes()
DEEP = bytes(imagecodecs.jpeg8_encode(NIR >> 4, level=95, bitspersample=12))
PLAIN = bytes(imagecodecs.jpeg8_encode(SMALL))
PNG = bytes(imagecodecs.png_encode(NIR))


def write(folder: Path, **files: bytes) -> None:
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name.replace("_dot_", ".")).write_bytes(data)


def color(inputs, out, **rules) -> int:
    page = rules.pop("page", None)
    rules = Rules(choice=Choice(page=page), **rules)
    return colorize_files(
        [str(path) for path in inputs], str(out), "grey", rules=rules, progress=False
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_output_is_in_a_container_that_can_hold_it(tmp_path):
    write(
        tmp_path / "in",
        a_dot_bmp=bytes(imagecodecs.bmp_encode(SMALL)),
        b_dot_pgm=PGM,
        c_dot_webp=webp(SMALL),
        d_dot_JPG=DEEP,
        e_dot_jpg=PLAIN,
        f_dot_npy=npy(NIR),
        g_dot_npy=npy(NIR / 65535),
        h_dot_PNG=PNG,
        i_dot_jxl=bytes(imagecodecs.jpegxl_encode((NIR / 65535).astype(np.float32))),
        j_dot_jp2=bytes(imagecodecs.jpeg2k_encode(NIR, level=0)),
        k_dot_avif=bytes(imagecodecs.avif_encode(SMALL)),
        l_dot_png=npy(NIR / 65535),
    )
    assert color([tmp_path / "in"], tmp_path / "out") == 0
    assert names(tmp_path / "out") == [
        *("a_rgb.png", "b_rgb.png", "c_rgb.png", "d_rgb.png", "e_rgb.jpg", "f_rgb.png"),
        *("g_rgb.tif", "h_rgb.PNG", "i_rgb.tif", "j_rgb.png", "k_rgb.png", "l_rgb.tif"),
    ]
    want = {"a": np.uint8, "b": np.uint16, "d": np.uint16, "f": np.uint16, "j": np.uint16}
    for name, dtype in want.items():
        colors = imagecodecs.png_decode((tmp_path / f"out/{name}_rgb.png").read_bytes())
        assert colors.dtype == dtype
        assert colors.shape == (24, 32, 3)


def test_a_second_run_keeps_or_refuses_what_is_there(tmp_path, capsys):
    write(tmp_path / "in", d_dot_jpg=DEEP, g_dot_npy=npy(NIR / 65535), b_dot_pgm=PGM)
    arguments = [tmp_path / "in"], tmp_path / "out"
    assert color(*arguments) == 0
    assert color(*arguments) == 1
    assert capsys.readouterr().err.count("exists; add --overwrite") == 3
    assert color(*arguments, resume=True) == 0
    assert "0 colored, 3 complete before, 0 failed" in capsys.readouterr().out
    assert color(*arguments, overwrite=True) == 0


def test_outputs_beside_inputs_are_no_inputs(tmp_path):
    write(tmp_path / "in", d_dot_jpg=DEEP, g_dot_npy=npy(NIR / 65535), b_dot_pgm=PGM)
    assert color([tmp_path / "in"], tmp_path / "in") == 0
    assert names(tmp_path / "in") == [
        *("b.pgm", "b_rgb.png", "d.jpg", "d_rgb.png", "g.npy", "g_rgb.tif"),
    ]
    selection = select([str(tmp_path / "in")], str(tmp_path / "in"))
    assert [path.name for path in selection.files] == ["b.pgm", "d.jpg", "g.npy"]
    assert selection.written == 3


def test_names_stay_apart(tmp_path, capsys):
    write(
        tmp_path / "in",
        a_dot_bmp=bytes(imagecodecs.bmp_encode(SMALL)),
        a_dot_png=PNG,
        b_dot_pgm=PGM,
    )
    assert color([tmp_path / "in"], tmp_path / "out") == 1
    assert names(tmp_path / "out") == ["b_rgb.png"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all("would both become" in line for line in lines)


@pytest.mark.parametrize("other", ["c.png", "c.pgm"])
def test_a_name_that_changes_late_is_not_that_of_another(tmp_path, capsys, other):
    """A JPEG of 12 bits becomes a PNG, which is seen when it is opened."""
    write(tmp_path / "in", c_dot_jpg=DEEP)
    (tmp_path / "in" / other).write_bytes(PNG if other.endswith("png") else PGM)
    assert color([tmp_path / "in"], tmp_path / "out") == 1
    assert names(tmp_path / "out") == ["c_rgb.png"]
    assert f"c.jpg: it and {tmp_path}/in/{other} would both become" in capsys.readouterr().err


def test_format_chooses_and_refuses(tmp_path, capsys):
    write(tmp_path / "in", a_dot_webp=webp(SMALL), b_dot_pgm=PGM, g_dot_npy=npy(NIR / 65535))
    assert color([tmp_path / "in"], tmp_path / "tif", format="tif") == 0
    assert names(tmp_path / "tif") == ["a_rgb.tif", "b_rgb.tif", "g_rgb.tif"]
    assert color([tmp_path / "in"], tmp_path / "jpg", format="jpg") == 1
    assert names(tmp_path / "jpg") == ["a_rgb.jpg"]
    lines = capsys.readouterr().err.splitlines()
    assert [line.rpartition("/")[2] for line in lines] == [
        "b_rgb.jpg: .jpg cannot hold uint16; name it .tif",
        "g_rgb.jpg: .jpg cannot hold float32; name it .tif",
    ]
    assert color([tmp_path / "in"], tmp_path / "png", format="png") == 1
    assert names(tmp_path / "png") == ["a_rgb.png", "b_rgb.png"]


def test_a_name_that_the_user_gave_stays(tmp_path, capsys):
    write(tmp_path / "in", g_dot_npy=npy(NIR / 65535))
    assert color([tmp_path / "in/g.npy"], tmp_path / "x.png") == 1
    assert "x.png: .png cannot hold float32; name it .tif" in capsys.readouterr().err
    assert color([tmp_path / "in/g.npy"], tmp_path / "x.tif") == 0
    with pytest.raises(InputError, match=r"x\.npy: \.npy cannot be written; name it \.png"):
        plan_outputs([Path("a.npy")], Path("x.npy"))
    with pytest.raises(InputError, match=r"x\.png: --format tif contradicts its name"):
        plan_outputs([Path("a.npy")], Path("x.png"), suffix=".tif")
    assert plan_outputs([Path("a.npy")], Path("x.TIFF"), suffix=".tif")
    with pytest.raises(InputError, match=r"format = 'bmp': must be one of png, jpg, tif"):
        Rules(format="bmp")


def pages(path: Path) -> list[np.ndarray]:
    with tifffile.TiffFile(path) as content:
        return [page.asarray() for page in content.pages]


def stack(folder: Path, *images: np.ndarray) -> Path:
    folder.mkdir(exist_ok=True)
    with tifffile.TiffWriter(folder / "s.tif") as writer:
        for image in images:
            writer.write(
                image,
                metadata=None,
                photometric="minisblack",
                resolution=(72, 72),
                planarconfig="contig" if image.ndim == 3 else None,
            )
    return folder / "s.tif"


def alone(folder: Path, image: np.ndarray) -> np.ndarray:
    """The colors of an image by itself."""
    tifffile.imwrite(folder / "alone.tif", image)
    assert color([folder / "alone.tif"], folder / "alone", overwrite=True) == 0
    return tifffile.imread(folder / "alone" / "alone_rgb.tif")


def test_all_pages_become_pages_of_one_file(tmp_path, capsys):
    images = NIR, SMALL[:9], (NIR / 65535).astype(np.float32), np.full((5, 6), 7, np.uint8), NIR.T
    path = stack(tmp_path / "in", *images)
    report = tmp_path / "report.json"
    assert color([path], tmp_path / "out", page="all") == 0
    assert "1 colored, 0 failed" in capsys.readouterr().out
    assert names(tmp_path / "out") == ["s_rgb.tif"]
    found = pages(tmp_path / "out/s_rgb.tif")
    assert [page.dtype for page in found] == [np.uint16, np.uint8, np.float32, np.uint8, np.uint16]
    for page, image in zip(found, images, strict=True):
        np.testing.assert_array_equal(page, alone(tmp_path, image))
    with tifffile.TiffFile(tmp_path / "out/s_rgb.tif") as content:
        first = content.pages.first
        assert "estimated from near infrared" in first.tags[305].value
        assert first.tags[282].value == (72, 1)
    assert not report.exists()


def test_a_stack_of_imagej_becomes_a_plain_one(tmp_path):
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in/s.tif", STACK, imagej=True)
    assert color([tmp_path / "in"], tmp_path / "out", page="all") == 0
    with tifffile.TiffFile(tmp_path / "out/s_rgb.tif") as content:
        assert not content.is_imagej
        assert len(content.pages) == 3
    assert color([tmp_path / "in"], tmp_path / "out", page="all", resume=True) == 0


def test_one_page(tmp_path):
    path = stack(tmp_path / "in", *STACK)
    assert color([path], tmp_path / "out", page="2") == 0
    (page,) = pages(tmp_path / "out/s_rgb.tif")
    np.testing.assert_array_equal(page, alone(tmp_path, STACK[1]))


def test_a_page_that_fails_fails_the_file_with_one_line(tmp_path, capsys):
    write(tmp_path / "in", a_dot_pgm=PGM)
    stack(tmp_path / "in", NIR, np.stack([SMALL] * 4, -1), NIR)
    assert color([tmp_path / "in"], tmp_path / "out", page="all") == 1
    assert names(tmp_path / "out") == ["a_rgb.png"]
    (line,) = capsys.readouterr().err.splitlines()
    assert "s.tif: page 2: has 4 bands" in line


def test_strict_names_the_page(tmp_path, capsys):
    path = stack(tmp_path / "in", NIR, np.full((5, 6), 7, np.uint8))
    assert color([path], tmp_path / "out", page="all", strict=True) == 1
    assert names(tmp_path / "out") == []
    (line,) = capsys.readouterr().err.splitlines()
    assert "s.tif: page 2: " in line


def test_without_data_each_page_has_its_mark(tmp_path):
    (tmp_path / "in").mkdir()
    holes = NIR.copy()
    holes[3, 4] = 0
    with tifffile.TiffWriter(tmp_path / "in/s.tif") as writer:
        for tag in ("0", None):
            extra = [(42113, "s", 0, tag, True)] if tag else []
            writer.write(holes, metadata=None, photometric="minisblack", extratags=extra)
    assert color([tmp_path / "in"], tmp_path / "out", page="all") == 0
    first, second = pages(tmp_path / "out/s_rgb.tif")
    assert (first == 0).all(-1).sum() == 1
    with tifffile.TiffFile(tmp_path / "out/s_rgb.tif") as content:
        assert [42113 in page.aspage().tags for page in content.pages] == [True, False]
    assert second.shape == first.shape


def test_a_format_that_holds_one_image_refuses_pages(tmp_path, capsys):
    path = stack(tmp_path / "in", *STACK)
    assert color([path], tmp_path / "out", page="all", format="png") == 1
    assert "s_rgb.png: .png cannot hold 3 images; name it .tif" in capsys.readouterr().err
    assert color([path], tmp_path / "x.png", page="all") == 1
    assert "x.png: .png cannot hold 3 images; name it .tif" in capsys.readouterr().err


def test_a_report_counts_a_stack_once(tmp_path):
    path = stack(tmp_path / "in", *STACK)
    report = tmp_path / "report.json"
    rules = Rules(choice=Choice(page="all"))
    arguments = [str(path)], str(tmp_path / "out"), "grey"
    assert colorize_files(*arguments, rules=rules, report=str(report), progress=False) == 0
    content = json.loads(report.read_text())
    assert content["coloured"] == 1
    assert content["files"][0]["output"].endswith("s_rgb.tif")


def test_a_format_beside_inputs_is_no_input_either(tmp_path):
    write(tmp_path / "in", a_dot_png=PNG)
    for run in ({}, {"resume": True}):
        assert color([tmp_path / "in"], tmp_path / "in", format="tif", **run) == 0
    assert names(tmp_path / "in") == ["a.png", "a_rgb.tif"]
