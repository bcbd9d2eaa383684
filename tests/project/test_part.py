"""One child process, started and ended."""

import signal

import pytest

from project.part import LOG_ROTATED_BYTES, Part, end
from tests.project.children import alive, announced, driver, pipe, python, until

CALM = "import signal; open({up!r}, 'w').write('up'); signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); open({up!r}, 'w').write('up'); signal.pause()"


def test_it_ends_by_its_stop_signal(tmp_path):
    part = python("calm", CALM.format(up=str(pipe(tmp_path, "up"))), tmp_path)
    process = part.spawn()
    announced(tmp_path, "up")
    assert end(process, part) == -signal.SIGTERM


def test_one_that_ignores_its_stop_signal_is_killed_after_its_grace(tmp_path):
    part = python("deaf", DEAF.format(up=str(pipe(tmp_path, "up"))), tmp_path, grace_s=0.05)
    process = part.spawn()
    announced(tmp_path, "up")
    assert end(process, part) == -signal.SIGKILL


def test_what_it_prints_is_appended_to_its_log(tmp_path):
    for word in ("one", "two"):
        python("talker", f"import sys; print('{word}'); print('{word}!', file=sys.stderr)", tmp_path).spawn().wait()
    assert sorted((tmp_path / "talker.log").read_text().split()) == ["one", "one!", "two", "two!"]


def test_the_end_of_the_log_is_told_in_one_line(tmp_path):
    part = python("talker", "[print(n) for n in range(9)]", tmp_path)
    part.spawn().wait()
    assert part.log_tail() == "6 | 7 | 8"
    part.log.write_text("x" * 1000)
    assert part.log_tail() == "x" * 200


def test_a_large_log_is_set_aside_at_the_start(tmp_path):
    part = python("talker", "print('new')", tmp_path)
    part.log.write_bytes(b"x" * (LOG_ROTATED_BYTES + 1))
    part.spawn().wait()
    assert part.log.read_text() == "new\n"
    assert (tmp_path / "talker.log.1").stat().st_size == LOG_ROTATED_BYTES + 1


def test_it_gets_signals_that_its_starter_ignores(tmp_path):
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        part = python("calm", CALM.format(up=str(pipe(tmp_path, "up"))), tmp_path)
        process = part.spawn()
    finally:
        signal.signal(signal.SIGHUP, old)
    announced(tmp_path, "up")
    process.send_signal(signal.SIGHUP)
    assert process.wait(10) == -signal.SIGHUP


def test_it_ends_when_its_starter_is_killed(tmp_path):
    starter = driver(
        "import sys, signal, pathlib; from project.part import Part; folder = pathlib.Path(sys.argv[1])\n"
        "part = Part(name='child', argv=(sys.executable, '-c', 'import signal; signal.pause()'), log=folder / 'log')\n"
        "print(part.spawn().pid, flush=True); signal.pause()",
        tmp_path,
    )
    child = int(starter.stdout.readline())
    assert alive(child)
    starter.kill()
    starter.communicate()
    until(lambda: not alive(child))


def test_a_program_that_is_missing_is_an_error_at_once(tmp_path):
    part = Part(name="ghost", argv=("/nonexistent/program",), log=tmp_path / "log")
    with pytest.raises(FileNotFoundError, match="/nonexistent/program"):
        part.spawn()
