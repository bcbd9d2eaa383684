"""REST predictions against the plainest FastAPI + scikit-learn server, and against a bare ASGI handler."""

from collections.abc import Mapping

from project import env
from tests.bench import load, servers
from tests.bench.load import HttpClient, Rate, Target
from tests.bench.pairs import Measure, measure
from tests.bench.readings import features, requests, rows
from tests.bench.report import Report
from tests.faults.stack import ENDPOINT, Stack

FASTAPI_GOALS = {1: 8.0, 32: 30.0}
BARE_GOAL = 0.35


async def bench(report: Report, stack: Stack, *, pairs: int, measured_s: float) -> None:
    """Measure strict predictions at 1 and 32 kept connections."""
    assert stack.web is not None
    path = f"/api/v1/endpoints/{ENDPOINT}/predict"
    bearer = {"authorization": f"Bearer {stack.token}"}
    foretell = Target(stack.host, stack.port, stack.web.pid, _finished(path, bearer))
    with servers.fastapi(env.load().home) as (fastapi_port, fastapi_pid), servers.bare() as (bare_port, bare_pid):
        bare = Target(stack.host, bare_port, bare_pid, _finished(path, bearer))
        for connections, goal in FASTAPI_GOALS.items():
            stages = {"Foretell strict": _run(foretell, connections, measured_s)}
            for way in ("/predict", "/predict-in-thread"):
                plain = Target(stack.host, fastapi_port, fastapi_pid, _finished(way, {}))
                report.title(f"REST, connections {connections}, against FastAPI + scikit-learn ({way})")
                measured = (await measure(stages, _run(plain, connections, measured_s), pairs))["Foretell strict"]
                report.pairs("Foretell strict", measured)
                name = "async def" if way == "/predict" else "def"
                report.at_least(f"REST against FastAPI ({name}), {connections} connections", goal, measured.ratio)
            report.title(f"REST, connections {connections}, against a bare ASGI handler")
            measured = (await measure(stages, _run(bare, connections, measured_s), pairs))["Foretell strict"]
            report.pairs("Foretell strict", measured)
            if connections > 1:
                report.at_least(f"REST against bare ASGI, {connections} connections", BARE_GOAL, measured.ratio)


def _finished(path: str, headers: Mapping[str, str]) -> list[bytes]:
    bodies = [{"features": features(row)} for row in rows(5000)]
    return requests(len(bodies), path=path, bodies=bodies, headers=dict(headers))


def _run(target: Target, connections: int, measured_s: float) -> Measure:
    async def run() -> Rate:
        return await load.run(target, sockets=connections, in_flight=1, kind=HttpClient, measured_s=measured_s)

    return run
