"""What the functions behind the commands are given need not exist, where those are replaced."""

import pytest


@pytest.fixture(autouse=True)
def nothing_is_missing(request, monkeypatch):
    """Has commands whose functions are replaced, by the fixture `calls`, believe what they name."""
    if "calls" in request.fixturenames:
        monkeypatch.setattr("haqagen_jax.cli.given.require_data", lambda _: None)
        monkeypatch.setattr("haqagen_jax.cli.given.nothing_to_color", lambda *_: False)
