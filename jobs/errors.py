"""What jobs refuse.

ForetellError
├── BadSchedule           a schedule's times can't be read, or come too often
├── JobState              a job is not in a state in which that can be done to it
├── LeaseLost             a worker finds that its work is somebody else's by now; never leaves the worker
└── TrainingError
    ├── AlgorithmInvalid  algorithm.py or params.toml can't be used
    ├── DataInvalid       the training data can't be read as the endpoint's signature
    ├── TrainingFailed    the pipeline raised while it was fitted, or can't answer what the endpoint asks
    └── VersionExists     the version is there already, with other bits
"""

from collections.abc import Iterable

from inference.engine.errors import ForetellError


class BadSchedule(ForetellError):
    """A schedule's crontab, zone or plan that can't be used."""

    code = "bad_schedule"


class JobState(ForetellError):
    """A job that is over, or not over yet, as the case may be."""

    code = "job_state"

    def __init__(self, action: str, state: str, possible: Iterable[str]) -> None:
        self.state = state
        super().__init__(f"A job that is {state} can't be {action}; one that is {' or '.join(possible)} can.")


class LeaseLost(ForetellError):
    """Work that this worker held and holds no more."""

    code = "lease_lost"

    def __init__(self, what: object, id: object) -> None:
        super().__init__(f"The {what} {id} is held by another worker now: this one was not heard of in time.")


class TrainingError(ForetellError):
    """A version that can't be trained. Never raised itself."""

    def __init__(self, place: str, detail: str) -> None:
        self.place = place
        super().__init__(f"{place}: {detail}")


class AlgorithmInvalid(TrainingError):
    """An algorithm's code or params that can't be used."""

    code = "algorithm_invalid"


class DataInvalid(TrainingError):
    """Training data that can't be read as the endpoint's signature."""

    code = "data_invalid"


class TrainingFailed(TrainingError):
    """A pipeline that raised while it was fitted, or that can't answer what the endpoint asks."""

    code = "training_failed"


class VersionExists(TrainingError):
    """A version that is there already, with other bits, or whose number the signature does not allow."""

    code = "version_exists"
