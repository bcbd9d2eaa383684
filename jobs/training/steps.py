"""The steps of a training run up to its published version. Each may be done again: what it makes is the same, or new.

A step reads the run's row, works in a folder of its own, and writes its end and the next step into the row in one
statement that counts only while the run is held. Files that a later step needs lie in the storage `uploads`:
`training/data/<sha256>.ndjson.gz`, kept so that a run can be repeated, and `training/runs/<run>/<token>/`, dropped
with the run's end.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from inference.engine import definition as definitions
from inference.engine import manifest as manifests
from inference.engine import store
from inference.engine.definition import Definition
from inference.management.command import store as serving_store
from inference.models import Version
from inference.services import version_publish
from jobs import storage
from jobs.errors import DataInvalid, InputLost, TrainingFailed
from jobs.leases import Lease
from jobs.models import TrainingRun
from jobs.training import algorithms, frozen, gate, selection, trainer
from jobs.training.limits import Limits
from jobs.training.lineage import actor, champion_of, check_code, known_to, next_number, split_seed
from jobs.training.process import run as run_process
from jobs.training.version import Say
from jobs.training.workplace import workplace

DATA, RUNS = "training/data", "training/runs"
Step = TrainingRun.Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """A run that is being worked on: its row as it was read, the lease it is held by, its log, and its conscience.

    `check` raises when the run may not go on: it is held by somebody else, was cancelled, or the worker is to end.
    """

    run: TrainingRun
    lease: Lease
    say: Say
    check: Callable[[], None]

    @property
    def folder(self) -> Path:
        """The endpoint's folder under artifacts/."""
        return Path(settings.ARTIFACTS_DIR) / self.run.endpoint.folder

    def definition(self) -> Definition:
        """What git says of the endpoint, once it is found to be what the endpoint asks and answers now.

        Raises:
            DefinitionInvalid, DataInvalid: it can't be read, or has other inputs or outputs.
        """
        definition = definitions.read(self.folder)
        if definition.signature.digest != self.run.endpoint.signature_digest:
            raise DataInvalid(
                f"{self.folder.name}/{definitions.NAME}",
                "has other inputs or outputs than the endpoint has now. Deploy a version of it with --major first.",
            )
        return definition

    def process(self, step: str, place: Path, **job: Any) -> dict[str, Any]:
        """Have a step done by the limited process."""
        known = {"endpoint": str(self.folder), "algorithm": self.run.algorithm, **job}
        return run_process(step, place, known, limits=limits(), say=self.say, check=self.check)


def limits() -> Limits:
    """What a training process may use, as the settings say."""
    return Limits(**settings.TRAINING_LIMITS)


def select(doing: Doing) -> None:
    """Freeze the data, and choose what the version is compared with; a repeated run has its data already."""
    run, definition = doing.run, doing.definition()
    rules = _rules(doing, definition)
    champion = champion_of(run)
    with workplace(doing.lease) as place:
        data = dict(run.data)
        if "sha256" not in data:
            doing.process("base", place)
            data |= _frozen(doing, definition, place)
    check_code(run, {**algorithms.sums(doing.folder / run.algorithm), **data["code"]})
    seed = split_seed(champion, rules.seed)
    doing.lease.update(step=Step.FIT, data={**data, "seed": seed}, champion=champion)


def _frozen(doing: Doing, definition: Definition, place: Path) -> dict[str, Any]:
    run, into = doing.run, place / trainer.DATA
    base = place / trainer.BASE
    chosen = selection.select(
        base, into, endpoint=run.endpoint, signature=definition.signature, since=run.feedback_since
    )
    said = ", ".join(f"{count:,} {reason}" for reason, count in chosen.left_out.items())
    doing.say(f"  {chosen.base:,} rows of the base data, {chosen.feedback:,} of feedback" + (said and f"; not {said}"))
    name = f"{DATA}/{chosen.sha256}.ndjson.gz"
    storage.put(name, into)
    doing.say(f"  frozen as sha256:{chosen.sha256[:12]}…")
    return {
        "file": name,
        "sha256": chosen.sha256,
        "code": dict(frozen.head(base).code),
        "rows": {"base": chosen.base, "feedback": chosen.feedback},
        "left_out": dict(chosen.left_out),
    }


def fit(doing: Doing) -> None:
    """Fit a version in the limited process, and put its files where the next step finds them."""
    run, definition = doing.run, doing.definition()
    number = next_number(run)
    doing.say(f"  to become {run.algorithm}-{number}")
    with workplace(doing.lease) as place:
        _fetch(run, place / trainer.DATA)
        made = doing.process("fit", place, number=number, sha256=run.data["sha256"], seed=run.data["seed"])
        files = store.read(place / trainer.VERSION, digest=made["digest"])
    manifest = manifests.read(files[manifests.NAME])
    # What its pickle may name is for git to say, not for the process that made the pickle.
    asked = (definition.slug, f"{run.algorithm}-{number}", definition.signature.digest, _distributions(doing))
    said = (manifest.endpoint, manifest.tag, manifests.signature_of(manifest).digest, manifest.distributions)
    if said != asked:
        raise TrainingFailed(manifest.tag[:80], "the process made another version than it was asked for.")
    # Again: git may have changed since the data was selected.
    check_code(run, manifest.code)
    folder = f"{RUNS}/{run.pk}/{doing.lease.token}"
    for name, content in files.items():
        storage.put(f"{folder}/{name}", content)
    candidate = {"folder": folder, "digest": made["digest"], "tag": manifest.tag, "files": sorted(files)}
    doing.lease.update(step=Step.JUDGE, data={**run.data, "candidate": candidate})


def judge(doing: Doing) -> None:
    """Measure candidate and champion on the same rows, and apply the rules of the gate."""
    run, definition = doing.run, doing.definition()
    rules = _rules(doing, definition).gate
    champion = champion_of(run)
    with workplace(doing.lease) as place:
        _fetch(run, place / trainer.DATA)
        _written(place / trainer.VERSION, candidate_files(run))
        if champion is not None:
            _written(place / trainer.CHAMPION, _files_of(champion))
        report = doing.process(
            "judge",
            place,
            signature=definition.signature.to_dict(),
            sha256=run.data["sha256"],
            seed=run.data["seed"],
            rules=msgspec.to_builtins(rules),
            candidate=run.data["candidate"]["digest"],
            champion=champion.digest if champion else None,
        )
        known = known_to(champion, frozen.head(place / trainer.DATA), seed=run.data["seed"]) if champion else ""
    report["held_out"]["known"] = known or None
    if known:
        doing.say(f"  the champion may know rows held out, and look better than it is: {known}")
    verdicts = gate.verdicts(rules, definition.signature.output, report)
    for verdict in verdicts:
        doing.say(
            f"  {'passed' if verdict.passed else 'FAILED'} {verdict.rule} {verdict.bound}: {verdict.value}"
            f" ({verdict.detail})"
        )
    passed = all(verdict.passed for verdict in verdicts)
    found = {
        "report": report,
        "gate": {
            "metric": rules.metric,
            "falling": rules.falling,
            "measured": gate.measured(rules, report),
            "passed": passed,
            "verdicts": [asdict(verdict) for verdict in verdicts],
        },
        "champion": champion,
    }
    if passed:
        doing.lease.update(step=Step.PUBLISH, **found)
    else:
        failed = ", ".join(verdict.rule for verdict in verdicts if not verdict.passed)
        doing.say(f"  refused by the gate: {failed}")
        doing.lease.release(state=TrainingRun.State.REFUSED, finished_at=Now(), **found)


def publish(doing: Doing) -> None:
    """Put the version into the store and the registry; one that is there already with the same digest stays so."""
    run = doing.run
    with workplace(doing.lease) as place:
        _written(place / trainer.VERSION, candidate_files(run))
        with transaction.atomic():
            version, new = version_publish(
                endpoint=run.endpoint, folder=place / trainer.VERSION, into=serving_store(), actor=actor(run)
            )
            # Last, since it locks the row: a large version takes a while to load and to store, and the lease, which is
            # renewed by another session, must last until then. Where it did not, the version is none.
            doing.lease.update(step=Step.PROMOTE, candidate=version)
    doing.say(f"  {'published' if new else 'was published already'} as {version.tag}")


def candidate_files(run: TrainingRun) -> Mapping[str, bytes]:
    """The files of the version that the run made, found to be what they were.

    Raises:
        ArtifactError: they are not.
        DataInvalid: they are gone.
    """
    made = run.data["candidate"]
    try:
        files = {name: storage.get(f"{made['folder']}/{name}") for name in made["files"]}
    except InputLost as error:
        raise DataInvalid(
            made["folder"], "what was fitted is not in the storage any more. Start another run."
        ) from error
    return store.verified(files, digest=made["digest"])


def _distributions(doing: Doing) -> tuple[str, ...]:
    return algorithms.params(doing.folder / doing.run.algorithm).distributions


@dataclass(frozen=True, slots=True)
class _Rules:
    gate: gate.Rules
    seed: int


def _rules(doing: Doing, definition: Definition) -> _Rules:
    said = algorithms.params(doing.folder / doing.run.algorithm)
    place = f"{doing.folder.name}/{doing.run.algorithm}/{algorithms.PARAMS}"
    return _Rules(gate.rules(said.gate, definition.signature.output, place), said.seed)


def _fetch(run: TrainingRun, into: Path) -> None:
    """Bring the frozen data here.

    Raises:
        DataInvalid: it is not kept any more.
    """
    try:
        with storage.open(run.data["file"]) as source, into.open("wb") as file:
            shutil.copyfileobj(source, file)
    except InputLost as error:
        raise DataInvalid(
            run.data["file"], "the frozen data is not kept any more. Start a run that selects its own."
        ) from error


def _files_of(version: Version) -> Mapping[str, bytes]:
    return store.read(serving_store().path(version.digest), digest=version.digest)


def _written(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
