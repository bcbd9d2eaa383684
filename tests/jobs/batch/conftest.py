"""Chunks of four rows, so that a small file has several."""

from collections.abc import Iterator

import pytest


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Chunks of four rows, and no model that another test has loaded."""
    # A conftest is imported before the settings are loaded.
    from jobs.batch import reading, shelf

    monkeypatch.setattr(reading, "CHUNK_ROWS", 4)
    shelf.forget()
    yield
    shelf.forget()
