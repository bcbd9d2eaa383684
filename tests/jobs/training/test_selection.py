"""What a retraining learns from: the last word of each prediction's newest source, as far as it fits."""

import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from inference.engine import definition as definitions
from inference.engine.store import FolderStore
from inference.ids import prediction_id
from jobs.training import datasets, frozen, selection
from jobs.training.frozen import FEEDBACK, Line
from jobs.training.selection import Selected
from tests import boilers

NOW = datetime.datetime(2026, 11, 1, 12, tzinfo=datetime.UTC)


class Told:
    """An endpoint whose base data lies frozen beside it, and what is told of its predictions."""

    def __init__(self, folder: Path) -> None:
        from inference.models import Endpoint
        from inference.services import release_deploy

        self.folder = folder
        toml = boilers.write(folder / "artifacts")
        release_deploy(artifacts=folder / "artifacts", into=FolderStore(folder / "store"), actor="test")
        self.endpoint = Endpoint.objects.get()
        self.definition = definitions.read(toml)
        self.version = self.made(self.definition.signature.to_dict())
        self.base = datasets.load(self.definition)
        head = frozen.Head(
            signature_digest=self.definition.signature.digest, source=self.base.source, files={}, code={}
        )
        rows = zip(self.base.rows, self.base.targets, strict=True)
        frozen.write(folder / "base", head, (Line(frozen.BASE, row, target) for row, target in rows))

    def made(self, signature: dict[str, Any]) -> Any:
        """A version with these inputs."""
        from inference.models import Version

        return Version.objects.create(
            endpoint=self.endpoint,
            algorithm="plain",
            major=Version.objects.count() + 1,
            minor=0,
            patch=0,
            digest="sha256:0",
            signature_digest="sha256:0",
            manifest={"signature": signature},
        )

    def predicted(self, features: list[Any], version: Any = None) -> str:
        """A stored prediction, and its id."""
        from inference.models import Prediction

        return Prediction.objects.create(
            id=prediction_id(),
            endpoint=self.endpoint,
            version=version or self.version,
            source=2,
            request_id=prediction_id(),
            features=features,
            output={},
        ).pk

    def told(self, prediction: str, value: Any, *, source: str = "user:ann", days: int = 0, revision: int = 1) -> None:
        """Feedback of a source, received so many days ago."""
        from inference.models import Feedback

        Feedback.objects.create(
            prediction_id=prediction,
            endpoint=self.endpoint,
            source=source,
            revision=revision,
            value=value,
            received_at=NOW - datetime.timedelta(days=days),
        )

    def selected(
        self, since: datetime.datetime | None = None, *, settled: bool = True
    ) -> tuple[Selected, list[tuple[Any, Any]]]:
        """What was selected, and the rows and targets of its feedback, all of which counts as settled by default."""
        if settled:
            from tests.jobs.answered import settle

            settle()
        signature = self.definition.signature
        said = selection.select(
            self.folder / "base", self.folder / "data", endpoint=self.endpoint, signature=signature, since=since
        )
        rows = [(line.row, line.target) for line in frozen.lines(self.folder / "data") if line.origin == FEEDBACK]
        return said, rows


@pytest.fixture
def told(clean_tables: None, tmp_path: Path) -> Told:
    """The endpoint, with rows that other connections can see."""
    return Told(tmp_path)


def row(starts: int) -> list[Any]:
    """Features as they are stored."""
    return [100.5, starts, 2**41, "gas"]


def test_without_feedback_it_is_the_base_data(told: Told) -> None:
    said, rows = told.selected()

    assert (said.base, said.feedback, said.left_out) == (240, 0, {})
    assert rows == []


def test_feedback_comes_behind_the_base_data_in_the_order_of_its_predictions(told: Told) -> None:
    first, second = told.predicted(row(1)), told.predicted(row(2))
    told.told(second, "due")
    told.told(first, "well")
    said, rows = told.selected()

    assert (said.base, said.feedback) == (240, 2)
    assert rows == [((100.5, 1, 2**41, "gas"), "well"), ((100.5, 2, 2**41, "gas"), "due")]


def test_the_last_word_of_the_newest_source_counts(told: Told) -> None:
    prediction = told.predicted(row(1))
    told.told(prediction, "due", source="user:ann", days=5)
    told.told(prediction, "due", source="service:lab", days=4)
    told.told(prediction, "well", source="user:ann", days=3, revision=2)
    assert told.selected()[1] == [(tuple(row(1)), "well")]

    told.told(prediction, "due", source="service:lab", days=2, revision=2)
    assert told.selected()[1] == [(tuple(row(1)), "due")]


def test_only_feedback_since_a_time_is_taken(told: Told) -> None:
    for days in (9, 5, 1):
        told.told(told.predicted(row(days)), "due", days=days)

    assert [values[1] for values, _ in told.selected(NOW - datetime.timedelta(days=6))[1]] == [5, 1]
    assert told.selected(NOW)[1] == []


def test_what_the_base_data_says_already_is_not_said_twice(told: Told) -> None:
    same, target = told.base.rows[3], told.base.targets[3]
    other = "well" if target == "due" else "due"
    told.told(told.predicted(list(same)), target)
    told.told(told.predicted(list(same)), target)
    told.told(told.predicted(list(same)), other)
    said, rows = told.selected()

    assert rows == [(same, other)]
    assert (said.base, said.feedback, said.left_out) == (240, 1, {"in_base_data": 2})


def test_values_of_another_signature_are_taken_by_name_if_they_fit(told: Told) -> None:
    signature = told.definition.signature.to_dict()
    turned = told.made(signature | {"inputs": signature["inputs"][::-1]})
    fewer = told.made(signature | {"inputs": signature["inputs"][:3]})
    told.told(told.predicted(["oil", 5, 7, 99.5], turned), "due")
    told.told(told.predicted([99.5, 7, 5], fewer), "due")
    told.told(told.predicted([99.5, 1e9, 5, "oil"]), "due")
    said, rows = told.selected()

    assert rows == [((99.5, 7, 5, "oil"), "due")]
    assert said.left_out == {"other_inputs": 2}


def test_labels_of_another_time_and_lost_predictions_are_counted(told: Told) -> None:
    told.told(told.predicted(row(1)), "broken")
    told.told(prediction_id(), "due")

    assert told.selected()[0].left_out == {"bad_label": 1, "prediction_gone": 1}


def test_what_may_still_be_followed_by_earlier_rows_waits(told: Told, dsn: str) -> None:
    told.told(told.predicted(row(1)), "due")
    told.selected()
    with psycopg.connect(dsn) as other:
        other.execute("SELECT pg_current_xact_id()")
        told.told(told.predicted(row(2)), "due")
        said, rows = told.selected(settled=False)
        other.rollback()
    assert ([values[1] for values, _ in rows], said.left_out) == ([1], {})
    assert [values[1] for values, _ in told.selected()[1]] == [1, 2]


def test_the_same_data_selected_again_is_the_same_file(told: Told) -> None:
    told.told(told.predicted(row(1)), "due")
    first = told.selected()[0], (told.folder / "data").read_bytes()

    assert (told.selected()[0], (told.folder / "data").read_bytes()) == first


def test_of_too_much_feedback_the_latest_predictions_are_taken(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "MOST_FEEDBACK", 2)
    for starts in (1, 2, 3):
        told.told(told.predicted(row(starts)), "due")

    assert [values[1] for values, _ in told.selected()[1]] == [2, 3]
