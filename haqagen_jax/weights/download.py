"""Download published weights: resumable, and kept only if their SHA-256 is right."""

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
_TIMEOUT = 30  # seconds without a byte


def download_all(names: Sequence[str]) -> int:
    """Download those of the named weights that are not in the cache yet.

    Args:
        names: See `catalog.named`.

    Returns:
        The exit status: 0 if all are in the cache now, else 1, with a line on stderr for each that
        is missing.

    Raises:
        InputError: No such name.
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
        download(weights, lambda size: display.update(task, completed=size // 1000))


def download(weights: Weights, report: Callable[[int], None]) -> Path:
    """Download weights into the cache, resuming an earlier attempt.

    Args:
        weights: Entry of the catalog.
        report: Called with the number of bytes so far after each chunk.

    Returns:
        Path of the weights in the cache.

    Raises:
        InputError: The server cannot be reached or does not have the file, the connection ended
            (what came stays, for the next attempt), or what came is another file (nothing stays).
    """
    prepare_folder(store.directory(), remedy=store.ELSEWHERE)
    part = store.directory() / f"{weights.name}.pth.part"
    with reachable():
        received = part.stat().st_size if part.exists() else 0
        if received > weights.size:
            part.unlink()
            received = 0
        if received < weights.size:
            received = _fetch(weights, part, received, report)
    if received < weights.size:
        raise InputError(
            f"{weights.url}: the connection ended after {received:,} of {weights.size:,} bytes; "
            "run the same command again to go on"
        )
    digest = store.sha256(part)
    if digest != weights.sha256:
        part.unlink()
        raise InputError(
            f"{weights.url}: what came has SHA-256 {digest}, {weights.name} has {weights.sha256}, "
            f"and was removed; {_by_hand(weights)}"
        )
    path = store.keep(weights, part)
    part.unlink()
    return path


def _fetch(weights: Weights, part: Path, received: int, report: Callable[[int], None]) -> int:
    """Append to the partial file, which has `received` bytes, and return its new size."""
    headers = {"User-Agent": "haqagen-jax"} | ({"Range": f"bytes={received}-"} if received else {})
    request = urllib.request.Request(weights.url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        raise InputError(
            f"{weights.url}: answers {error.code} {error.reason}; {_by_hand(weights)}"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)
        why = reason(cause if isinstance(cause, BaseException) else error)
        raise InputError(f"{weights.url}: cannot be reached ({why}); {_by_hand(weights)}") from None
    with response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            received = 0  # the server does not resume, and sends the whole file
        offered = response.headers.get("Content-Length")
        if offered is not None and received + int(offered) != weights.size:
            raise InputError(
                f"{weights.url}: offers {received + int(offered):,} bytes, {weights.name} has "
                f"{weights.size:,}; {_by_hand(weights)}"
            )
        with part.open("ab" if received else "wb") as file:
            while received < weights.size and (data := _read(response, weights.size - received)):
                file.write(data)
                received += len(data)
                report(received)
    return received


def _read(response: http.client.HTTPResponse, limit: int) -> bytes:
    """Read a chunk; empty where the connection ended, in whatever way."""
    try:
        return response.read(min(_CHUNK, limit))
    except http.client.IncompleteRead as error:
        return error.partial
    except (OSError, http.client.HTTPException):
        return b""


def _by_hand(weights: Weights) -> str:
    return (
        f"fetch {weights.file} from there elsewhere, then run: haqagen weights import "
        f"{weights.name} {weights.file}"
    )
