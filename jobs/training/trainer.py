"""The limited process that runs an algorithm's code: `python -m jobs.training.trainer`.

It works in its current folder: `job.json` says what to do, `result.json` or `error.json` what came of it, and each
line it prints is a line of the run's log. It knows no database, no address and no secret. Libraries are imported only
once it has bound itself.
"""

import errno
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import inference  # noqa: F401 - afterwards the folder it lies in can't be looked through any more
from jobs.training.limits import Limits, bind
from jobs.training.sandbox import enclose

JOB, RESULT, ERROR = "job.json", "result.json", "error.json"
BASE, DATA, VERSION, CHAMPION = "base.ndjson.gz", "data.ndjson.gz", "version", "champion"
KILLED = "training_killed"


def main() -> int:
    """Do one step, and say whether it could be done: 0 or 1."""
    job = json.loads(Path(JOB).read_text())
    missing = bind(Limits(**job["limits"]), parent=job["parent"])
    for line in [*missing, *enclose(readable=[Path(job["endpoint"])], writable=Path.cwd())]:
        say(f"  not limited: {line}")
    try:
        result = _STEPS[job["step"]](job)
    except Exception as error:  # noqa: BLE001 - this process's door: whatever it is, its starter is told
        return _refused(error, job)
    _written(RESULT, result)
    return 0


def say(text: str) -> None:
    """Write a line of the log."""
    print(_plain(text), flush=True)  # noqa: T201 - it goes to the starter


def _plain(text: str) -> str:
    """A text without halves of surrogate pairs, which UTF-8 does not have, and messages of errors may."""
    return text.encode(errors="replace").decode()


def base(job: dict[str, Any]) -> dict[str, Any]:
    """Read the endpoint's base data into one file."""
    from inference.engine import definition as definitions
    from jobs.training import datasets, frozen

    definition = definitions.read(Path(job["endpoint"]))
    dataset = datasets.load(definition)
    head = frozen.Head(
        signature_digest=definition.signature.digest,
        source=dataset.source,
        files=dict(dataset.files),
        code=dict(dataset.code),
    )
    targets = dataset.targets or [None] * len(dataset.rows)
    lines = (frozen.Line(frozen.BASE, row, target) for row, target in zip(dataset.rows, targets, strict=True))
    frozen.write(Path(BASE), head, lines)
    return {"rows": len(dataset.rows)}


def fit(job: dict[str, Any]) -> dict[str, Any]:
    """Fit a version on the frozen data and write its folder."""
    from inference.engine import definition as definitions
    from inference.engine import manifest as manifests
    from jobs.training import algorithms, frozen
    from jobs.training.version import make

    definition = definitions.read(Path(job["endpoint"]))
    code = algorithms.read(definition.folder / job["algorithm"])
    data = frozen.read(Path(DATA), definition.signature, digest=job["sha256"])
    split = frozen.split(data, definition.signature, seed=job["seed"], place=DATA)
    origins = {name: manifests.Data(sha256=digest, rows=data.base) for name, digest in data.head.files.items()}
    origins["selected.ndjson"] = manifests.Data(sha256=data.digest, rows=len(data.dataset.rows))
    files = make(definition, code, job["number"], data.dataset, split, data=origins, say=say)
    Path(VERSION).mkdir()
    for name, content in files.items():
        (Path(VERSION) / name).write_bytes(content)
    return {"digest": manifests.digest_of(files[manifests.NAME]), "rows": len(split.train)}


def judge(job: dict[str, Any]) -> dict[str, Any]:
    """Measure the version, and the champion, on the rows held out. Runs no algorithm's code."""
    import warnings

    import msgspec

    from inference.engine.signature import Signature
    from jobs.training import frozen, judging
    from jobs.training.gate import Rules

    signature = Signature.from_dict(job["signature"])
    data = frozen.read(Path(DATA), signature, digest=job["sha256"])
    split = frozen.split(data, signature, seed=job["seed"], place=DATA)
    champion = judging.Judged(Path(CHAMPION), job["champion"]) if job["champion"] else None
    with warnings.catch_warnings():
        # Of a label that no held-out row has, which the figures show anyway.
        warnings.simplefilter("ignore")
        return judging.judge(
            data,
            split,
            msgspec.convert(job["rules"], Rules),
            candidate=judging.Judged(Path(VERSION), job["candidate"]),
            champion=champion,
            seed=job["seed"],
        )


_STEPS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"base": base, "fit": fit, "judge": judge}


def _refused(error: Exception, job: dict[str, Any]) -> int:
    from inference.engine.errors import ForetellError
    from jobs.errors import TrainingFailed

    # What ran out of something was often caught on the way, and told as an error of a pipeline or of data.
    for cause in _causes(error):
        if isinstance(cause, MemoryError):
            return _failed(KILLED, f"memory: it asked for more than {_allowed(job, 'memory_bytes')}")
        if isinstance(cause, OSError) and cause.errno == errno.EFBIG:
            return _failed(KILLED, f"disk: a file of it became larger than {_allowed(job, 'file_bytes')}")
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return _failed(KILLED, f"disk: {cause.strerror}, where it works. Make room there, and start the run again.")
    if not isinstance(error, ForetellError):
        _say_where(error)
        return _failed("training_failed", f"{type(error).__name__}: {error}")
    if error.__cause__ is not None and (isinstance(error, TrainingFailed) or _is_of(error.__cause__, job["endpoint"])):
        _say_where(error.__cause__)
    return _failed(error.code, str(error))


def _is_of(error: BaseException, folder: str) -> bool:
    """Whether an error was raised in code of the endpoint's."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(Path(frame.filename).is_relative_to(folder) for frame in frames) or isinstance(error, SyntaxError)


def _say_where(error: BaseException) -> None:
    """Write down where an error was raised: whoever wrote the code has nothing else to find it by."""
    for line in "".join(traceback.format_exception(error)).splitlines():
        say(line)


def _allowed(job: dict[str, Any], limit: str) -> str:
    most = job["limits"][limit] / 2**20
    return f"the {most:,.0f} MiB it may have. Make it need less, or raise {limit} in TRAINING_LIMITS."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what caused it."""
    while error is not None:
        yield error
        error = error.__cause__


def _failed(code: str, detail: str) -> int:
    _written(ERROR, {"code": code, "detail": _plain(detail)})
    return 1


def _written(name: str, said: dict[str, Any]) -> None:
    import msgspec

    # NaN becomes null, which is what JSON has for it.
    Path(name).write_bytes(msgspec.json.encode(said))


if __name__ == "__main__":
    sys.exit(main())
