"""Schedules of the fault tests: due every minute, all at once, and what was started for which slot."""

import asyncio
import datetime
import time

import httpx

from tests.faults.stack import ENDPOINT, Stack

POLL_S = 0.5


class Slots:
    """Some schedules of batch jobs that are due every minute.

    Args:
        name: begins the name of each.
        schedules: how many: each is due with the others, so that many messages go out at the same moment.
    """

    def __init__(self, stack: Stack, name: str, schedules: int) -> None:
        self.stack = stack
        self.names = [f"{name}-{number}" for number in range(schedules)]

    def __enter__(self) -> "Slots":
        plan = {"kind": "batch", "hours": 1, "limit": 100}
        for name in self.names:
            body = {"name": name, "endpoint": ENDPOINT, "plan": plan, "crontab": "* * * * *"}
            answer = self._ask("POST", "/", json=body)
            assert answer.status_code == 201, answer.text
        return self

    def __exit__(self, *_: object) -> None:
        for name in self.names:
            self._ask("DELETE", f"/{name}/")

    async def next_minute(self, early_s: float = 0) -> None:
        """Return at the next full minute of Postgres's clock, or so long before it."""
        (now,) = self.stack.sql("SELECT clock_timestamp()")[0]
        await asyncio.sleep((60 - now.second - now.microsecond / 1e6 - early_s) % 60)

    def started(self) -> dict[str, list[str]]:
        """The slots of the jobs of each schedule, with those that are there twice."""
        query = "SELECT schedule, slot FROM jobs_batchjob WHERE schedule = ANY (%s) ORDER BY slot"
        slots: dict[str, list[str]] = {name: [] for name in self.names}
        for schedule, slot in self.stack.sql(query, (self.names,)):
            slots[schedule].append(slot)
        return slots

    async def each_started(self, slots: int, timeout_s: float) -> None:
        """Return when so many slots of each schedule were started.

        Raises:
            AssertionError: they were not in time.
        """
        until = time.monotonic() + timeout_s
        while min(map(len, (found := await asyncio.to_thread(self.started)).values())) < slots:
            logs = [hand.log()[-1500:] for hand in self.stack.crew.hands]
            assert time.monotonic() < until, "\n".join([str(found), *logs])
            await asyncio.sleep(POLL_S)

    def wrong(self) -> list[str]:
        """Slots that were started twice, or before their time."""
        now = datetime.datetime.now(datetime.UTC)
        found = []
        for name, slots in self.started().items():
            found += [f"{name} {slot}" for slot in slots if slots.count(slot) > 1]
            found += [f"{name} {slot} began early" for slot in set(slots) if _moment(slot) > now + _EARLY]
        return found

    def _ask(self, method: str, path: str, **options: object) -> httpx.Response:
        address = f"http://{self.stack.host}:{self.stack.port}/api/v1/jobs/schedules{path}"
        headers = {"Authorization": f"Bearer {self.stack.key}"}
        return httpx.request(method, address, headers=headers, timeout=10, **options)  # type: ignore[arg-type]


_EARLY = datetime.timedelta(seconds=30)


def _moment(slot: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(slot.split(" ")[0]).replace(tzinfo=datetime.UTC)
