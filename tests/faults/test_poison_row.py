"""One row that Postgres refuses, among two hundred sockets whose rows share its commits."""

from collections.abc import Iterator

import pytest

from tests.faults.checker import Checker
from tests.faults.crowd import Crowd
from tests.faults.history import History
from tests.faults.stack import Stack

pytestmark = pytest.mark.fault


@pytest.fixture
def poison(stack: Stack) -> Iterator[None]:
    """A constraint that refuses readings whose client id says `poison`: a real refusal, without a hook in Foretell."""
    stack.sql("ALTER TABLE inference_prediction ADD CONSTRAINT poison CHECK (client_id NOT LIKE 'poison %%')")
    yield
    stack.sql("ALTER TABLE inference_prediction DROP CONSTRAINT poison")


@pytest.mark.usefixtures("poison")
async def test_only_the_refused_row_gets_an_error(stack: Stack, history: History) -> None:
    async with Crowd(stack, history, "poison", sockets=200, window=2, poison_at=5) as crowd:
        await crowd.everyone_is_answered(times=5)

    poisoned = [operation for operation in history if (operation.client_id or "").startswith("poison ")]
    assert poisoned
    assert {(operation.outcome, operation.code) for operation in poisoned} == {("fail", "internal")}
    assert history.of("fail") == poisoned
    assert {operation.client for operation in history.of("info")} <= {crowd.senders[0].name}
    assert all(operation.stored for operation in history.of("ok"))
    assert Checker(stack, history).problems() == []
