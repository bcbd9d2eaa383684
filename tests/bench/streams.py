"""Streams against a bare echo on the same server: every audit policy at four depths."""

import asyncio
import json
from dataclasses import dataclass, replace

from websockets.asyncio.client import connect

from tests.bench import load, servers
from tests.bench.load import Rate, StreamClient, Target
from tests.bench.pairs import Measure, measure
from tests.bench.readings import frames
from tests.bench.report import Report
from tests.faults.stack import ENDPOINT, Stack

PATH = f"/ws/v1/endpoints/{ENDPOINT}/stream?hello=short"
DEPTHS = ((1, 1), (32, 1), (64, 4), (200, 8))
STRICT_GOALS = (0.22, 0.35, 0.50, 0.55)
FAST_GOALS = (0.45, 0.50, 0.55, 0.60)
COALESCED_GOAL = 0.70
ADDED_MS_GOAL = 1.0
POLICY_S = 0.2


@dataclass(frozen=True, slots=True)
class Stages:
    """Makes the measurements of one depth: Foretell's streams under a policy, and the echo."""

    stack: Stack
    foretell: Target
    echo: Target
    sockets: int
    in_flight: int
    measured_s: float

    def reference(self) -> Measure:
        """The echo."""
        return lambda: self._run(self.echo)

    def stage(self, policy: str, *, coalesced: bool = False) -> Measure:
        """Streams under an audit policy; each run first waits until new sockets have it."""
        target = replace(self.foretell, path=PATH + "&coalesce=1") if coalesced else self.foretell

        async def run() -> Rate:
            await _live(self.stack, policy)
            return await self._run(target)

        return run

    async def _run(self, target: Target) -> Rate:
        return await load.run(
            target, sockets=self.sockets, in_flight=self.in_flight, kind=StreamClient, measured_s=self.measured_s
        )


async def bench(report: Report, stack: Stack, *, pairs: int, measured_s: float) -> None:
    """Measure every policy at every depth."""
    assert stack.web is not None
    finished = frames(5000)
    foretell = Target(stack.host, stack.port, stack.web.pid, finished, path=PATH, token=stack.token, says_hello=True)
    with servers.bare() as (port, pid):
        echo = Target(stack.host, port, pid, finished)
        for depth, strict_goal, fast_goal in zip(DEPTHS, STRICT_GOALS, FAST_GOALS, strict=True):
            at = "/".join(map(str, depth))
            stages = Stages(stack, foretell, echo, *depth, measured_s)
            chosen = {policy: stages.stage(policy) for policy in ("strict", "fast", "off")}
            if depth[1] > 1:
                chosen["coalesced strict"] = stages.stage("strict", coalesced=True)
            measured = await measure(chosen, stages.reference(), pairs)
            report.title(f"Streams, sockets/in flight {at}, against a bare echo")
            for name, result in measured.items():
                report.pairs(name, result)
            report.at_least(f"strict stream against echo, {at}", strict_goal, measured["strict"].ratio)
            report.at_least(f"fast stream against echo, {at}", fast_goal, measured["fast"].ratio)
            if "coalesced strict" in measured:
                ratio = measured["coalesced strict"].ratio
                report.at_least(f"coalesced strict stream against echo, {at}", COALESCED_GOAL, ratio)
            if depth == (1, 1):
                report.at_most("ms added to the p50 of one strict socket", ADDED_MS_GOAL, measured["strict"].added_ms)
    stack.audit("strict")


async def _live(stack: Stack, policy: str) -> None:
    """Set the audit policy and return when a new socket is told so."""
    stack.audit(policy)
    bearer = {"Authorization": f"Bearer {stack.token}"}
    while True:
        async with connect(f"ws://{stack.host}:{stack.port}{PATH}", additional_headers=bearer) as socket:
            if json.loads(await socket.recv())["audit"] == policy:
                return
        await asyncio.sleep(POLICY_S)
