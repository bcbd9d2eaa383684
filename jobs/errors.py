"""What jobs refuse.

ForetellError
├── BadSchedule           a schedule's times can't be read, or come too often
├── JobState              a job is not in a state in which that can be done to it
├── LeaseLost             a worker finds that its work is somebody else's by now; never leaves the worker
├── FileError
│   ├── BadFile           it is not of its format, or rows can't be told apart
│   ├── BadHeader         its columns are not those it must have
│   ├── NoRows            it has a header at most
│   └── FileTooLarge      it has more bytes or rows than are taken
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


class FileError(ForetellError):
    """An uploaded file that can't be used. Never raised itself."""


class BadFile(FileError):
    """A file that is not of its format, or whose rows can't be told apart. `line` counts from 1, where known."""

    code = "bad_file"

    def __init__(self, detail: str, *, line: int | None = None) -> None:
        self.line = line
        super().__init__(detail if line is None else f"Line {line:,}: {detail}")


class BadHeader(FileError):
    """A file whose columns are not the signature's inputs and the carried ones."""

    code = "bad_header"


class NoRows(FileError):
    """A file without a row to predict."""

    code = "no_rows"

    def __init__(self) -> None:
        super().__init__("The file has no rows. Send one at least, after the header where the format has one.")


class FileTooLarge(FileError):
    """A file with more bytes or rows than are taken at once."""

    code = "file_too_large"

    def __init__(self, limit: int, unit: str) -> None:
        self.limit = limit
        super().__init__(f"The file has more than {limit:,} {unit}. Split it.")


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
