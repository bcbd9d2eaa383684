"""The open sockets of a process: counted, and brought to their end together."""

import asyncio

from streaming.sockets import OpenSockets


class Held:
    """A socket that closes when its test says so."""

    slug = "flow"
    device_id = 7

    def __init__(self) -> None:
        self.drained = self.cuts = 0

    def check_sending(self, now_s: float) -> None:
        raise AssertionError("nobody watches")

    def drain(self) -> None:
        self.drained += 1

    def cut(self) -> None:
        self.cuts += 1


async def test_a_socket_that_opens_while_others_drain_is_told_and_waited_for() -> None:
    sockets, first, late = OpenSockets(), Held(), Held()
    sockets.add(first)
    assert first.drained == 0
    draining = asyncio.create_task(sockets.drain(timeout_s=60))
    await asyncio.sleep(0)
    sockets.add(late)
    assert (first.drained, late.drained) == (1, 1)
    sockets.remove(first)
    await asyncio.sleep(0)
    assert not draining.done()
    sockets.remove(late)
    await asyncio.wait_for(draining, 20)
    assert (first.cuts, late.cuts) == (0, 0)


async def test_a_socket_that_is_still_open_at_the_end_of_the_drain_is_cut() -> None:
    sockets, ended, stuck = OpenSockets(), Held(), Held()
    sockets.add(ended)
    sockets.add(stuck)
    sockets.remove(ended)
    await sockets.drain(timeout_s=0)
    assert (ended.cuts, stuck.cuts) == (0, 1)


async def test_a_socket_that_opens_after_nothing_had_to_drain_is_told_too() -> None:
    sockets, late = OpenSockets(), Held()
    await sockets.drain(timeout_s=60)
    sockets.add(late)
    assert late.drained == 1
