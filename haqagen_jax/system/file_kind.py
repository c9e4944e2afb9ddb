"""Recognize what a file is by its first bytes, whatever its name says; nothing in it is executed.

`recognize` is pure: bytes in, a `Kind` out, by one table. `file_kind` reads those bytes, and of a
zip archive the list of its entries, which lies at its end.
"""

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from haqagen_jax.errors import InputError, reason

_HEAD = 4096  # bytes; the farthest mark, that of tar, ends at 262
_SHOWN = 3  # names that a message lists
TORCH, SAFETENSORS, NPZ, ARCHIVE = "torch", "safetensors", "npz", "archive"


class Kind(NamedTuple):
    """What a file is.

    Attributes:
        name: As it stands behind "is", with an article.
        remedy: What the user can do; empty where that depends on what the file is wanted for.
        content: `TORCH`, `SAFETENSORS` or `NPZ` for named tensors, `ARCHIVE` for packed files, or
            empty.
    """

    name: str
    remedy: str = ""
    content: str = ""


_AGAIN = "download or copy it again"
_UNPACK = "unpack it, and give the file of weights inside"
_STATE = "torch.save(torch.jit.load(path).state_dict(), new) makes a file that is read"
_EMPTY = Kind("an empty file", _AGAIN)
_ZEROS = Kind("a file of zeros, as an unfinished download leaves", _AGAIN)
_CUT = Kind("a zip archive or PyTorch checkpoint that is truncated or damaged", _AGAIN)
_ZIP = Kind("a zip archive", _UNPACK, ARCHIVE)
_UNKNOWN = Kind("no kind of file that is known here")

# Patterns of the first bytes; the first that matches counts.
_TABLE: tuple[tuple[bytes, Kind], ...] = (
    (
        rb"version https://git-lfs",
        Kind("a git-lfs pointer, which only stands for the file", "git lfs pull fetches the file"),
    ),
    (
        rb"(\xef\xbb\xbf)?\s*<(?i:!doctype html|!--|html|head|body|script)",
        Kind(
            "a web page that was saved in place of the file", f"{_AGAIN}, by the link to the file"
        ),
    ),
    (
        rb"(\xef\xbb\xbf)?\s*<(\?xml|[A-Za-z]+[\s>])",
        Kind("an XML text, as a server may send in place of a file", _AGAIN),
    ),
    (rb"PK\x03\x04|PK\x05\x06", _ZIP),
    (
        rb"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19\.",
        Kind("a PyTorch checkpoint", content=TORCH),
    ),
    (
        rb"\x80[\x01-\x05]|\(dp|\(lp|\}q|\]q|c[\w.]+\n[\w.]+\n",
        Kind("a Python pickle that torch.save did not write"),
    ),
    (rb".{4}\x00{4}\{", Kind("a safetensors file", content=SAFETENSORS)),
    (rb"\x93NUMPY", Kind("one NumPy array (.npy)")),
    (rb"\x89HDF\r\n\x1a\n", Kind("an HDF5 file, as Keras writes")),
    (rb".{4}TFL3", Kind("a TensorFlow Lite model")),
    (rb"\x08[\x02-\x0f](\x12.[ -~]|[\x22\x2a\x32\x3a\x42])", Kind("an ONNX model")),
    (rb"\x08\x01\x12", Kind("a TensorFlow SavedModel")),
    (rb"GGUF", Kind("a GGUF file of a language model")),
    (rb"[\x80-\x8f\xde][\xa0-\xbf][a-z_]+[\x80-\x8f\xde\xc7-\xc9]", Kind("a Flax msgpack file")),
    (rb"MATLAB 5\.0 MAT-file", Kind("a MATLAB file")),
    (rb"ML\xefR", Kind("a StableHLO module")),
    (rb"\x89PNG", Kind("a PNG image")),
    (rb"\xff\xd8\xff", Kind("a JPEG image")),
    (rb"II[\x2a\x2b]\x00|MM\x00[\x2a\x2b]", Kind("a TIFF image")),
    (rb"GIF8[79]a", Kind("a GIF image")),
    (rb"BM.{4}\x00{4}", Kind("a BMP image")),
    (rb"RIFF.{4}WEBP", Kind("a WebP image")),
    (rb"\x00\x00\x00\x0c(jP|JXL) |\xff\x0a", Kind("a JPEG 2000 or JPEG XL image")),
    (rb".{4}ftyp", Kind("a video, or a HEIC or AVIF image")),
    (rb"P[1-7]\s[\d#]", Kind("a PNM image")),
    (rb"%PDF", Kind("a PDF document")),
    (rb"\x7fELF", Kind("a program")),
    (rb"SQLite format 3", Kind("an SQLite database")),
    (rb"\x1f\x8b", Kind("a gzip file", _UNPACK, ARCHIVE)),
    (rb"BZh[1-9]", Kind("a bzip2 file", _UNPACK, ARCHIVE)),
    (rb"\xfd7zXZ\x00", Kind("an xz file", _UNPACK, ARCHIVE)),
    (rb"\x28\xb5\x2f\xfd", Kind("a zstd file", _UNPACK, ARCHIVE)),
    (rb"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", _UNPACK, ARCHIVE)),
    (rb"Rar!\x1a\x07", Kind("a RAR archive", _UNPACK, ARCHIVE)),
    (rb".{257}ustar", Kind("a tar archive", _UNPACK, ARCHIVE)),
)
_PATTERNS = [(re.compile(pattern, re.DOTALL), kind) for pattern, kind in _TABLE]
_CONTROL = re.compile(r"[^\t\n\f\r -~\x85\xa0-\U0010ffff]")


def recognize(head: bytes) -> Kind:
    """Recognize a file by its first bytes.

    Args:
        head: The first bytes, 512 or more where the file has them.

    Returns:
        What it is; of a zip archive see `recognize_zip`.
    """
    if not head.strip(b"\0"):
        return _ZEROS if head else _EMPTY
    for pattern, kind in _PATTERNS:
        if pattern.match(head):
            return kind
    return _text(head) or _UNKNOWN


def recognize_zip(names: Sequence[str]) -> Kind:
    """Recognize a zip archive by the names of its entries.

    Args:
        names: Paths of its entries.

    Returns:
        What it is.
    """
    leaves = {name.rpartition("/")[2] for name in names}
    if "data.pkl" in leaves and "constants.pkl" in leaves:
        return Kind("a TorchScript archive, a program with its weights", _STATE)
    if "data.pkl" in leaves:
        return Kind("a PyTorch checkpoint", content=TORCH)
    if names and all(name.endswith(".npy") for name in names):
        return Kind("a NumPy archive (.npz)", content=NPZ)
    if "model.weights.h5" in leaves:
        return Kind("a Keras model")
    files = [name for name in names if not name.endswith("/")]
    more = " ..." if len(files) > _SHOWN else ""
    return _ZIP._replace(name=f"a zip archive with {', '.join(files[:_SHOWN]) or 'no file'}{more}")


def file_kind(path: Path) -> Kind:
    """Recognize a file.

    Args:
        path: Path of the file.

    Returns:
        What it is.

    Raises:
        InputError: No such file, a folder, or one that cannot be read; the message begins with the
            path and leaves the remedy to the caller.
    """
    if path.is_dir():
        inside = weights_inside(path)
        raise InputError(f"{path}: is a folder{f', with {inside[0]} in it' if inside else ''}")
    if not path.is_file():  # reading a pipe might never end
        exists = path.exists()
        raise InputError(f"{path}: {'is no regular file' if exists else 'no such file'}")
    try:
        with path.open("rb") as file:
            kind = recognize(file.read(_HEAD))
        if kind is not _ZIP:
            return kind
        with zipfile.ZipFile(path) as archive:
            return recognize_zip(archive.namelist())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from None
    except Exception:  # a damaged archive can raise anything
        return _CUT


def weights_inside(folder: Path) -> list[str]:
    """List the files of a folder whose names are those of weights.

    Args:
        folder: A folder; those inside are searched, and those inside of these.

    Returns:
        Paths relative to the folder, sorted.
    """
    patterns = [
        f"{deeper}*.{end}" for deeper in ("", "*/", "*/*/") for end in ("pth", "pt", "ckpt")
    ]
    found = [path for pattern in patterns for path in folder.glob(pattern) if path.is_file()]
    return sorted(str(path.relative_to(folder)) for path in found)


def _text(head: bytes) -> Kind | None:
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if (
            len(head) < _HEAD or error.start < len(head) - 3
        ):  # or a letter is cut where the first bytes end
            return None
        text = head[: error.start].decode("utf-8-sig")
    start = " ".join(text.split())[:40]
    if not start or _CONTROL.search(text):
        return None
    if start[:1] in ("{", "["):
        return Kind(f"a JSON text that begins {start!r}")
    return Kind(f"a text that begins {start!r}")
