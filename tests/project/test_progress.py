"""What is seen of a start."""

import io

import pytest
from rich.console import Console

from project.progress import Progress


def shown(*, terminal: bool) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, force_terminal=terminal, width=80, no_color=True), text


def test_steps_are_plain_lines_where_there_is_no_terminal():
    console, text = shown(terminal=False)
    with Progress(console) as progress:
        progress.begin("Postgres")
        progress.begin("Valkey")
    assert [line.rsplit(" ", 2)[0] for line in text.getvalue().splitlines()] == ["✓ Postgres", "✓ Valkey"]


def test_the_step_that_an_error_leaves_has_failed():
    console, text = shown(terminal=False)
    with pytest.raises(RuntimeError), Progress(console) as progress:
        progress.begin("Postgres")
        progress.begin("Valkey")
        raise RuntimeError
    assert [line.rsplit(" ", 2)[0] for line in text.getvalue().splitlines()] == ["✓ Postgres", "✗ Valkey"]


def test_a_terminal_sees_the_step_that_runs_and_keeps_the_last_picture():
    console, text = shown(terminal=True)
    with Progress(console) as progress:
        progress.begin("Postgres")
        assert "✓ Postgres" not in text.getvalue()
        assert "Postgres" in text.getvalue()
        progress.begin("Valkey")
    assert "✓ Postgres" in text.getvalue()
    assert "✓ Valkey" in text.getvalue()
