"""Parts kept running and ended: with real children that speak over named pipes."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from project.part import Part
from project.supervisor import DEATHS, PartFailed, Stopped, Supervisor
from tests.project.children import alive, announced, driver, pipe, python, until

CALM = "import os, signal; open({up!r}, 'w').write(str(os.getpid())); signal.pause()"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def ticks() -> list[Callable[[], None]]:
    """What to do at each wait of the supervisor."""
    return []


@pytest.fixture
def supervisor(said, ticks):
    return Supervisor(report=said.append, tick=lambda: [tick() for tick in ticks])


def calm(folder: Path, name: str, **options: object) -> Part:
    """A part that tells its process number through the pipe of its name, and waits."""
    return python(name, CALM.format(up=str(pipe(folder, name))), folder, **options)


def noting(folder: Path, name: str, notes: Path) -> Part:
    """A part that notes its name when it is asked to end."""
    code = (
        "import os, signal, sys\n"
        f"def note(*_): open({str(notes)!r}, 'a').write('{name} '); os._exit(0)\n"
        "signal.signal(signal.SIGTERM, note)\n"
        f"open({str(pipe(folder, name))!r}, 'w').write('up')\n"
        "while True: signal.pause()"
    )
    return python(name, code, folder)


def test_parts_end_in_the_reverse_order_of_their_start(tmp_path, supervisor):
    with supervisor:
        for name in ("first", "second", "third"):
            supervisor.start(noting(tmp_path, name, tmp_path / "notes"))
            announced(tmp_path, name)
    assert (tmp_path / "notes").read_text().split() == ["third", "second", "first"]


def test_a_part_is_ended_with_what_it_started(tmp_path, supervisor):
    up = pipe(tmp_path, "up")
    code = (
        "import subprocess, sys, signal\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit())\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        f"open({str(up)!r}, 'w').write(str(child.pid))\n"
        "signal.pause()"
    )
    with supervisor:
        supervisor.start(python("parent", code, tmp_path))
        grandchild = int(announced(tmp_path, "up"))
        assert alive(grandchild)
    until(lambda: not alive(grandchild))


def test_a_part_that_does_not_end_in_its_grace_is_killed(tmp_path, supervisor):
    up = pipe(tmp_path, "up")
    code = (
        "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(up)!r}, 'w').write(str(os.getpid()))\nwhile True: signal.pause()"
    )
    with supervisor:
        supervisor.start(python("deaf", code, tmp_path, grace_s=0.05))
        pid = int(announced(tmp_path, "up"))
    assert not alive(pid)


def test_a_part_that_is_not_ready_is_waited_for(tmp_path, supervisor):
    answers = iter([False, False, True])
    with supervisor:
        supervisor.start(calm(tmp_path, "slow"), ready=lambda: next(answers))
        announced(tmp_path, "slow")
    assert next(answers, None) is None


def test_a_part_that_ends_while_it_starts_is_told_with_the_end_of_its_log(tmp_path, supervisor):
    with (
        pytest.raises(PartFailed, match=r"broken ended \(exit code 3\) while it was starting: the disk is on fire"),
        supervisor,
    ):
        supervisor.start(
            python("broken", "import sys; print('the disk is on fire'); sys.exit(3)", tmp_path), ready=lambda: False
        )


def test_a_part_that_never_becomes_ready_is_told_and_ended(tmp_path, supervisor):
    part = calm(tmp_path, "stuck")
    pids = []

    def ready() -> bool:
        pids.append(int(announced(tmp_path, "stuck"))) if not pids else None
        return False

    with pytest.raises(PartFailed, match="stuck is not ready after 0 s"), supervisor:
        supervisor.start(part, ready=ready, timeout_s=0.1)
    assert not alive(pids[0])


def test_a_part_that_dies_is_started_again(tmp_path, supervisor, said, ticks):
    before = []
    ticks.append(lambda: len(before) == 2 and os.kill(os.getpid(), signal.SIGTERM))
    with supervisor:
        supervisor.start(calm(tmp_path, "mortal"), before=lambda: before.append("cleaned"))
        first = int(announced(tmp_path, "mortal"))
        os.kill(first, signal.SIGKILL)
        with pytest.raises(Stopped):
            supervisor.watch()
        second = int(announced(tmp_path, "mortal"))
        assert second != first
    assert said[0].startswith("mortal died (SIGKILL); it is started again in 0.25 s.")
    assert not alive(second)


def test_a_part_that_keeps_dying_is_given_up_by_name(tmp_path, supervisor, said, monkeypatch):
    monkeypatch.setattr("project.supervisor.LAST_DELAY_S", 0.001)
    with (
        pytest.raises(PartFailed, match=r"doomed keeps dying, last with exit code 7: .*no luck \(log: .*doomed.log\)"),
        supervisor,
    ):
        supervisor.start(python("doomed", "import sys; print('no luck'); sys.exit(7)", tmp_path))
        supervisor.watch()
    assert len(said) == DEATHS - 1


def test_a_part_that_is_killed_again_and_again_when_it_was_ready_is_not_given_up(
    tmp_path, supervisor, ticks, monkeypatch
):
    monkeypatch.setattr("project.supervisor.LAST_DELAY_S", 0.001)
    killed = []

    def ready() -> bool:
        os.kill(int(announced(tmp_path, "victim")), signal.SIGKILL)
        killed.append(1)
        return True

    ticks.append(lambda: len(killed) > 2 * DEATHS and os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Stopped), supervisor:
        supervisor.start(calm(tmp_path, "victim"), ready=ready)
        supervisor.watch()


@pytest.mark.parametrize(("code", "starts"), [(0, 1), (7, DEATHS)])
def test_a_part_that_is_not_vital_ends_alone(tmp_path, supervisor, said, ticks, monkeypatch, code, starts):
    monkeypatch.setattr("project.supervisor.LAST_DELAY_S", 0.001)
    before = []
    ticks.append(lambda: said and "not started again" in said[-1] and os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Stopped), supervisor:
        supervisor.start(calm(tmp_path, "other"))
        other = int(announced(tmp_path, "other"))
        supervisor.start(
            python("extra", f"import sys; sys.exit({code})", tmp_path), vital=False, before=lambda: before.append(1)
        )
        try:
            supervisor.watch()
        finally:
            assert alive(other)
    assert len(before) == starts


@pytest.fixture
def heard():
    """SIGHUP counts, also where the tests were started with `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything(tmp_path, supervisor, number, heard):
    with pytest.raises(Stopped) as stopped, supervisor:
        supervisor.start(calm(tmp_path, "one"))
        pid = int(announced(tmp_path, "one"))
        os.kill(os.getpid(), number)
        supervisor.watch()
    assert stopped.value.signal_number == number
    assert not alive(pid)


def test_a_signal_during_a_start_ends_everything(tmp_path, supervisor):
    def ready() -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        return False

    with pytest.raises(Stopped), supervisor:
        supervisor.start(calm(tmp_path, "one"))
        one = int(announced(tmp_path, "one"))
        supervisor.start(calm(tmp_path, "two"), ready=ready)
    assert not alive(one)


def test_a_second_interrupt_does_not_wait_for_the_grace(tmp_path, said):
    up = pipe(tmp_path, "up")
    code = (
        "import os, signal\n"
        f"signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getppid(), signal.SIGINT))\n"
        f"open({str(up)!r}, 'w').write(str(os.getpid()))\nwhile True: signal.pause()"
    )
    with Supervisor(report=said.append) as supervisor:
        supervisor.start(python("deaf", code, tmp_path, grace_s=3600))
        pid = int(announced(tmp_path, "up"))
    assert not alive(pid)


def test_signal_handlers_are_put_back(supervisor):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
    with supervisor:
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)] == before


def test_a_step_hands_over_its_lines_and_ends(tmp_path, supervisor):
    lines = []
    with supervisor:
        supervisor.run(python("step", "print('a\\nb'); print('c', end='')", tmp_path), lines.append)
    assert lines == [b"a", b"b", b"c"]


def test_a_step_that_fails_is_told_with_the_end_of_its_log(tmp_path, supervisor):
    with pytest.raises(PartFailed, match=r"step ended \(exit code 1\): bad luck"), supervisor:
        supervisor.run(python("step", "import sys; sys.exit('bad luck')", tmp_path), print)


def test_parts_that_die_during_a_step_are_started_again(tmp_path, supervisor):
    starts = []
    go_on = pipe(tmp_path, "go_on")

    def before() -> None:
        starts.append(1)
        if len(starts) == 2:
            os.close(os.open(go_on, os.O_WRONLY))

    with supervisor:
        supervisor.start(calm(tmp_path, "mortal"), before=before)
        os.kill(int(announced(tmp_path, "mortal")), signal.SIGKILL)
        supervisor.run(python("step", f"open({str(go_on)!r}).read()", tmp_path), print)
    assert len(starts) == 2


def test_a_closed_terminal_does_not_leave_children_behind(tmp_path):
    def report(sentence: str) -> None:
        raise OSError(5, "Input/output error")

    with Supervisor(report=report) as supervisor:
        supervisor.start(calm(tmp_path, "one"))
        pid = int(announced(tmp_path, "one"))
    assert not alive(pid)


def test_a_killed_supervisor_leaves_no_process(tmp_path):
    up = pipe(tmp_path, "up")
    code = (
        "import sys, pathlib; from project.part import Part; from project.supervisor import Supervisor\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "with Supervisor(report=print) as supervisor:\n"
        "    up = str(folder / 'up')\n"
        "    child = f'import os, signal; open({up!r}, \"w\").write(str(os.getpid())); signal.pause()'\n"
        "    supervisor.start(Part(name='child', argv=(sys.executable, '-c', child), log=folder / 'log'))\n"
        "    supervisor.watch()"
    )
    process = driver(code, tmp_path)
    child = int(up.read_text())
    process.kill()
    process.communicate()
    until(lambda: not alive(child))
