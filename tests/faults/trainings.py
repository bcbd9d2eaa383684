"""Training runs of the fault tests: started over REST, watched in the tables, their workers caught in a step."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import psutil
import psycopg

from tests.faults.crew import Hand
from tests.faults.stack import ENDPOINT, POLL_S, Stack

OPEN = ("queued", "running")
HELD_UP = {"publish": "inference_version", "promote": "inference_deployment"}
"""Steps that are over in a moment, and the table whose lock holds them up in the middle of their transaction."""
BEGUN_S = 0.5
"""After so much processor time a training process has bound its life to its worker's."""


class Training:
    """One run of an algorithm."""

    def __init__(self, stack: Stack, algorithm: str = "logistic_regression", id: str = "") -> None:
        self.stack = stack
        self.algorithm = algorithm
        self.id = id

    def start(self) -> "Training":
        """Ask for it over REST.

        Raises:
            AssertionError: it was refused.
        """
        answer = self._post("/", {"endpoint": ENDPOINT, "algorithm": self.algorithm, "reason": "A fault test."})
        assert answer.status_code == 201, f"{answer.status_code} {answer.text[:1000]}"
        self.id = answer.json()["id"]
        return self

    def cancel(self) -> None:
        """End it, if it is not over."""
        self._post(f"/{self.id}/cancel", {})

    @property
    def state(self) -> str:
        """Its state in the table."""
        return self._row("state")

    @property
    def attempts(self) -> int:
        """How many workers held it."""
        return int(self._row("attempts"))

    @property
    def said(self) -> str:
        """Its log and what became of it."""
        lines = self.stack.sql("SELECT text FROM jobs_runline WHERE run_id = %s ORDER BY id", (self.id,))
        return "\n".join(line for (line,) in lines) + f"\n{self._row('concat_ws(chr(32), state, step, code, detail)')}"

    async def finishes(self, timeout_s: float, meanwhile: Callable[[], object] = lambda: None) -> str:
        """Return its state once it is over or waits for a person, calling `meanwhile` all the time.

        Raises:
            AssertionError: it is neither in time.
        """
        until = time.monotonic() + timeout_s
        while (state := await asyncio.to_thread(lambda: self.state)) in OPEN:
            meanwhile()
            assert time.monotonic() < until, f"not over within {timeout_s} s: {self._where()}"
            await asyncio.sleep(POLL_S)
        return state

    async def catch(self, hand: Hand, step: str, timeout_s: float = 120) -> None:
        """Stop a worker, with all below it, while it is at that step; use it within `held_up`.

        Raises:
            AssertionError: it did not come to that in time.
        """
        until = time.monotonic() + timeout_s
        with psycopg.connect(self.stack.postgres.url, autocommit=True) as connection:
            while True:
                if self._is_at(connection, hand, step):
                    hand.freeze()
                    if self._is_at(connection, hand, step):
                        return
                    hand.thaw()
                assert self.state in OPEN, f"over before it was caught at {step}: {self._where()}"
                assert time.monotonic() < until, f"not caught at {step}: {self._where()}"
                await asyncio.sleep(0.02)

    @contextmanager
    def held_up(self, step: str) -> Iterator[None]:
        """Steps that are short can't come to their end while the block lasts."""
        with psycopg.connect(self.stack.postgres.url) as connection:
            if step in HELD_UP:
                connection.execute(f"LOCK TABLE {HELD_UP[step]} IN SHARE MODE")  # type: ignore[arg-type]
            yield

    def expire_lease(self) -> None:
        """Let its lease be over, as if its holder had not been heard of for so long."""
        self.stack.sql("UPDATE jobs_trainingrun SET leased_until = now() - interval '1 s' WHERE id = %s", (self.id,))

    def _is_at(self, connection: Any, hand: Hand, step: str) -> bool:
        query = (
            "SELECT FROM jobs_trainingrun WHERE id = %s AND state = 'running' AND step = %s AND leased_until > now()"
            " AND (%s::text IS NULL"
            " OR EXISTS (SELECT FROM pg_locks WHERE relation = to_regclass(%s) AND NOT granted))"
        )
        table = HELD_UP.get(step)
        # A short step waits for the lock; a long one has a process of its own below the worker's child.
        working = table is not None or any(map(_is_at_work, hand.children[1:]))
        return working and connection.execute(query, (self.id, step, table, table)).fetchone() is not None

    def _row(self, column: str) -> Any:
        return self.stack.sql(f"SELECT {column} FROM jobs_trainingrun WHERE id = %s", (self.id,))[0][0]

    def _post(self, path: str, body: object) -> httpx.Response:
        address = f"http://{self.stack.host}:{self.stack.port}/api/v1/jobs/training{path}"
        return httpx.post(address, json=body, headers={"Authorization": f"Bearer {self.stack.key}"}, timeout=10)

    def _where(self) -> str:
        return f"{self.said}\n" + "\n".join(f"{hand.name}: {hand.log()[-1500:]}" for hand in self.stack.crew.hands)


def _is_at_work(process: psutil.Process) -> bool:
    """Whether a training process is past its beginning."""
    with suppress(psutil.NoSuchProcess):
        return process.cpu_times().user > BEGUN_S
    return False


def cancel_all(stack: Stack) -> None:
    """End what is not over."""
    for (id_,) in stack.sql("SELECT id::text FROM jobs_trainingrun WHERE state = ANY (%s)", (list(OPEN),)):
        Training(stack, id=id_).cancel()
