"""What jobs refuse.

ForetellError
├── BadSchedule           a schedule's times can't be read, or come too often
├── EndpointUnsaid        a file came without a word of which endpoint shall answer it
├── IdempotencyMismatch   a request's key was another request's
├── JobState              a job is not in a state in which that can be done to it
├── ReportPending         a replay's report is not made yet
├── ChampionChanged       another version is live by now than the one that was to be replaced
├── GateFailed            a version that did not pass the gate shall go live
├── RunInProgress         a training of that algorithm is waiting or working already
├── LeaseLost             a worker finds that its work is somebody else's by now; never leaves the worker
├── InputLost             what is to be read was removed from the storage by somebody else
│   └── InputRefused      it is there, and the storage does not give it
├── StorageFull           no room for an upload or a piece of one
├── StorageUnavailable    the bucket or the folder that holds uploads can't be reached
│   └── StorageRefused    the bucket answers that it won't
├── FileError
│   ├── BadFile           it is not of its format, or rows can't be told apart
│   ├── BadHeader         its columns are not those it must have
│   ├── NoRows            it has a header at most; or a query selects nothing
│   └── FileTooLarge      it has more bytes or rows than are taken
└── TrainingError
    ├── AlgorithmInvalid  algorithm.py or params.toml can't be used
    ├── DataInvalid       the training data can't be read as the endpoint's signature
    ├── TrainingFailed    the pipeline raised while it was fitted, or can't answer what the endpoint asks
    ├── TrainingKilled    the process that trains used more than it may, or crashed
    ├── StepFailed        that process refused; holds its own code
    └── VersionExists     the version is there already, with other bits
"""

from collections.abc import Iterable
from uuid import UUID

from inference.engine.errors import ForetellError


class BadSchedule(ForetellError):
    """A schedule's crontab, zone or plan that can't be used."""

    code = "bad_schedule"


class EndpointUnsaid(ForetellError):
    """An upload that does not say which endpoint shall answer it."""

    code = "unknown_endpoint"

    def __init__(self) -> None:
        super().__init__("Which endpoint shall answer the file? Say it in the address: ?endpoint=SLUG.")


class IdempotencyMismatch(ForetellError):
    """A key that came before, with another file or for something else."""

    code = "idempotency_mismatch"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key came before, with another request. Use a new key for a new job.")


class JobState(ForetellError):
    """A job that is over, or not over yet, as the case may be."""

    code = "job_state"

    def __init__(self, action: str, state: str, possible: Iterable[str]) -> None:
        self.state = state
        super().__init__(f"A job that is {state} can't be {action}; one that is {' or '.join(possible)} can.")


class ReportPending(ForetellError):
    """A replay report that is not made yet."""

    code = "job_state"

    def __init__(self) -> None:
        super().__init__("The report is made once the job is done, some seconds later. Ask again then.")


class GateFailed(ForetellError):
    """A training run whose version did not pass the gate, and which somebody wants to approve all the same."""

    code = "gate_failed"

    def __init__(self, rules: Iterable[str]) -> None:
        super().__init__(
            f"The gate refused this version ({', '.join(rules)}), so it can't be approved. Change the rules in"
            " params.toml, or the data, and train again."
        )


class ChampionChanged(ForetellError):
    """A version that shall go live in place of one that is not live any more."""

    code = "job_state"

    def __init__(self, now: str, seen: str) -> None:
        self.now = now
        super().__init__(
            f"{now} is champion now, and this was to replace {seen}. Look at that one first, and approve again saying"
            " that it is to be replaced, or train again."
        )


class RunInProgress(ForetellError):
    """A training run of the same endpoint and algorithm that is not over."""

    code = "run_in_progress"

    def __init__(self, run: UUID) -> None:
        self.run = run
        super().__init__(f"Training run {run} of this algorithm is not over yet. Wait for it, or cancel it.")


class LeaseLost(ForetellError):
    """Work that this worker held and holds no more."""

    code = "lease_lost"

    def __init__(self, what: object, id: object) -> None:
        super().__init__(f"The {what} {id} is held by another worker now: this one was not heard of in time.")


class InputLost(ForetellError):
    """An input, or a piece of one, that is in the storage no more although nobody here removed it."""

    code = "input_lost"

    def __init__(
        self,
        detail: str = "The input is gone from the storage: somebody removed it. Put it back and try again, or send"
        " these rows in a new job.",
    ) -> None:
        super().__init__(detail)


class InputRefused(InputLost):
    """An input, or a piece of one, that the storage gives to nobody, try after try, while it gives other objects."""

    def __init__(self) -> None:
        super().__init__(
            "The storage did not give the input, or take its pieces, however often it was asked, though it works"
            " otherwise: the workers' logs have its reason. Try again once it does, or send these rows in a new job."
        )


class StorageFull(ForetellError):
    """There is no room for an upload, or for a piece of one."""

    code = "storage_full"

    def __init__(self) -> None:
        super().__init__("The storage of uploads has no room left. Make room, then go on.")


class StorageUnavailable(ForetellError):
    """The bucket that holds uploads can't be reached or refuses us, or their folder is not there. The log says why.

    `reason` is the bucket's code or its client's class of error, where there is one.
    """

    code = "storage_unavailable"
    retryable = True

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        super().__init__("The storage of uploads can't be reached. Ask again in a moment.")


class StorageRefused(StorageUnavailable):
    """A bucket that answers, and refuses what was asked of it: it may do so to one object, or to everything."""


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
    """A file without a row to predict, or a query that selects none."""

    code = "no_rows"

    def __init__(
        self, detail: str = "The file has no rows. Send one at least, after the header where the format has one."
    ) -> None:
        super().__init__(detail)


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


class TrainingKilled(TrainingError):
    """A training process that used more than it may, or crashed. What is served was never touched.

    `place` is what it had too much of: memory, cpu, time or disk; or crash.
    """

    code = "training_killed"


class StepFailed(ForetellError):
    """A training process that refused, for a reason that has a code of its own."""

    code = "training_failed"

    def __init__(self, code: str, detail: str) -> None:
        self.code = code  # type: ignore[misc]
        super().__init__(detail)


class VersionExists(TrainingError):
    """A version that is there already, with other bits, or whose number the signature does not allow."""

    code = "version_exists"
