"""Fetch published weights: resumed where a connection ended, verified, kept only then."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from haqagen_jax.errors import InputError, reachable, reason
from haqagen_jax.system.console import bars, complain
from haqagen_jax.system.files import prepare_folder
from haqagen_jax.weights import catalog, store
from haqagen_jax.weights.catalog import Weights

_CHUNK = 1 << 20  # bytes
_PATIENCE = 30  # seconds without a byte


def download_all(names: Sequence[str]) -> int:
    """Fetches what of the named weights is not in the cache yet.

    Args:
        names: see `catalog.named`.

    Returns:
        The exit status: 0 when all are there, else 1; one that is not costs a line on stderr.

    Raises:
        InputError: no such name.
    """
    missing = 0
    for entry in catalog.named(names):
        try:
            if not store.available(entry.name):
                _download_with_bar(entry)
            print(f"{entry.name}: {store.path(entry.name)} ({entry.license})")
        except InputError as error:
            missing += 1
            complain(str(error))
    return 1 if missing else 0


def _download_with_bar(weights: Weights) -> None:
    with bars(True) as display:
        task = display.add_task(f"{weights.name}, kB", total=weights.size // 1000)
        download(weights, lambda there: display.update(task, completed=there // 1000))


def download(weights: Weights, report: Callable[[int], None]) -> Path:
    """Fetches weights into the cache; what an earlier attempt left is continued.

    Args:
        weights: the entry.
        report: is told how many bytes there are, every now and then.

    Returns:
        Where they are now.

    Raises:
        InputError: the server cannot be reached or does not have the file, the connection ended
            (what came stays, for the next attempt), or what came is another file (nothing stays).
    """
    prepare_folder(store.folder(), remedy=store.ELSEWHERE)
    part = store.folder() / f"{weights.name}.pth.part"
    with reachable():
        there = part.stat().st_size if part.exists() else 0
        if there > weights.size:
            part.unlink()
            there = 0
        if there < weights.size:
            there = _fetch(weights, part, there, report)
    if there < weights.size:
        raise InputError(
            f"{weights.url}: the connection ended after {there:,} of {weights.size:,} bytes; run "
            "the same command again to go on"
        )
    found = store.sha256(part)
    if found != weights.sha256:
        part.unlink()
        raise InputError(
            f"{weights.url}: what came has SHA-256 {found}, {weights.name} has {weights.sha256}, "
            f"and was removed; {_by_hand(weights)}"
        )
    place = store.keep(weights, part)
    part.unlink()
    return place


def _fetch(weights: Weights, part: Path, there: int, report: Callable[[int], None]) -> int:
    """Appends to the part; returns its size."""
    headers = {"User-Agent": "haqagen-jax"} | ({"Range": f"bytes={there}-"} if there else {})
    request = urllib.request.Request(weights.url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=_PATIENCE)
    except urllib.error.HTTPError as error:
        error.close()
        raise InputError(
            f"{weights.url}: answers {error.code} {error.reason}; {_by_hand(weights)}"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        reached = getattr(error, "reason", error)
        why = reason(reached if isinstance(reached, BaseException) else error)
        raise InputError(f"{weights.url}: cannot be reached ({why}); {_by_hand(weights)}") from None
    with response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            there = 0  # the server begins at the beginning
        offered = response.headers.get("Content-Length")
        if offered is not None and there + int(offered) != weights.size:
            raise InputError(
                f"{weights.url}: offers {there + int(offered):,} bytes, {weights.name} has "
                f"{weights.size:,}; {_by_hand(weights)}"
            )
        with part.open("ab" if there else "wb") as file:
            while there < weights.size and (data := _read(response, weights.size - there)):
                file.write(data)
                there += len(data)
                report(there)
    return there


def _read(response: http.client.HTTPResponse, most: int) -> bytes:
    """Reads a piece; nothing where the connection ended, in whatever way."""
    try:
        return response.read(min(_CHUNK, most))
    except http.client.IncompleteRead as error:
        return error.partial
    except (OSError, http.client.HTTPException):
        return b""


def _by_hand(weights: Weights) -> str:
    return (
        f"fetch {weights.file} from there elsewhere, then run: haqagen weights import "
        f"{weights.name} {weights.file}"
    )
