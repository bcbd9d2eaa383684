"""What holds for every version in git."""

import csv
import datetime
from pathlib import Path

import msgspec
import onnx
import pytest
from django.conf import settings

from inference.engine import definition as definitions
from inference.engine import manifest as manifests
from inference.engine import parity, store
from inference.engine.loader import COMPILED, GOLDEN, MODEL, estimator_of, load
from inference.engine.runtimes import SklearnRuntime
from inference.engine.signature import Row
from jobs.training import algorithms, datasets

ARTIFACTS: Path = settings.ARTIFACTS_DIR
ENDPOINTS = definitions.found(ARTIFACTS)
VERSIONS = sorted(path.parent for path in ARTIFACTS.glob(f"*/*/*/{manifests.NAME}"))
DEMO = {"shuttle_fault", "water_flow"}
"""The endpoints Foretell brings along. What is asked of these alone is not asked of a model someone adds."""
MOST_BYTES = 16 * 2**20
ROWS = 3000


def _name(version: Path) -> str:
    return "-".join(version.parts[-3:])


every_version = pytest.mark.parametrize("version", VERSIONS, ids=_name)


def manifest_of(version: Path) -> manifests.Manifest:
    """A version's manifest."""
    return manifests.read((version / manifests.NAME).read_bytes())


def newest(version: Path) -> bool:
    """Whether it was trained for git, and no newer one of its algorithm was. Retrained ones have other data."""
    numbers = [manifest_of(other).number for other in VERSIONS if other.parent == version.parent]
    return manifest_of(version).number == max(number for number in numbers if number[2] == 0)


@pytest.fixture(scope="module")
def rows() -> dict[str, list[Row]]:
    """Rows of each endpoint's data, spread over all of it."""
    found = {}
    for endpoint in ENDPOINTS:
        everything = datasets.load(definitions.read(endpoint)).rows
        found[endpoint.name] = list(everything[:: max(1, len(everything) // ROWS)])
    return found


def test_the_five_versions_of_the_two_endpoints_are_there() -> None:
    tags = {f"{manifest_of(version).endpoint}/{manifest_of(version).tag}" for version in VERSIONS}

    assert tags >= {
        "shuttle-fault/random_forest-1.0.0",
        "shuttle-fault/gradient_boosting-1.0.0",
        "shuttle-fault/logistic_regression-1.0.0",
        "water-flow/ridge-1.0.0",
        "water-flow/gradient_boosting-1.0.0",
    }


@every_version
def test_it_loads_and_answers_its_golden_rows(version: Path) -> None:
    digest = manifests.digest_of((version / manifests.NAME).read_bytes())
    model = load(version, digest=digest)
    golden = msgspec.json.decode((version / GOLDEN).read_bytes())
    answers = [
        msgspec.json.decode(text) for text in model.predict([model.signature.row(row) for row in golden["rows"]])
    ]

    assert answers
    verdicts = [
        parity.verdict(then, now, scale=model.manifest.parity.scale)
        for then, now in zip(golden["outputs"], answers, strict=True)
    ]
    assert "different" not in verdicts


@every_version
def test_it_stands_where_its_manifest_says(version: Path) -> None:
    manifest = manifest_of(version)

    assert manifest.endpoint == definitions.read(version.parent.parent).slug
    assert (version.parent.name, version.name) == (manifest.algorithm, manifest.version)


@every_version
def test_its_files_are_those_listed_and_small_enough_for_git(version: Path) -> None:
    files = store.read(version)

    assert max(len(data) for data in files.values()) <= MOST_BYTES


@every_version
def test_the_newest_was_made_from_the_code_and_data_in_git(version: Path) -> None:
    manifest, endpoint = manifest_of(version), version.parent.parent
    assert manifest.code
    assert manifest.data
    if not newest(version):
        return
    data = {name: data.sha256 for name, data in manifest.data.items()}
    prepared = {name: sha for name, sha in manifest.code.items() if "/" not in name}
    others = data | prepared

    assert {name: manifests.sha256((endpoint / name).read_bytes()) for name in others} == others
    assert algorithms.read(version.parent).code | prepared == manifest.code
    assert manifest.signature == definitions.read(endpoint).signature.to_dict()


@every_version
def test_its_signature_is_the_endpoints(version: Path) -> None:
    manifest, definition = manifest_of(version), definitions.read(version.parent.parent)
    same_major = manifest.number[0] == max(
        manifest_of(other).number[0] for other in VERSIONS if other.parent == version.parent
    )

    assert (manifests.signature_of(manifest).digest == definition.signature.digest) is same_major


@every_version
def test_onnx_is_equal_to_scikit_learn(version: Path, rows: dict[str, list[Row]]) -> None:
    model = load(version, digest=None)
    if model.runtime.name != "onnx":
        assert model.manifest.parity.reason
        return
    estimator = estimator_of(model.manifest, (version / MODEL).read_bytes())
    asked = rows[version.parent.parent.name]
    found = parity.gate(
        model.signature,
        SklearnRuntime(estimator, model.signature),
        model.runtime,
        asked,
        scale=model.manifest.parity.scale,
        seed=1,
    )

    assert found.equal, found.reason
    assert min(found.rows, model.manifest.parity.rows) > (1000 if version.parent.parent.name in DEMO else 0)


@every_version
def test_its_onnx_file_is_whole_in_itself(version: Path) -> None:
    path = version / COMPILED
    if not path.exists():
        return
    made = onnx.ModelProto.FromString(path.read_bytes())

    assert not any(tensor.external_data or tensor.data_location for tensor in made.graph.initializer)
    assert {node.domain for node in made.graph.node} <= {"", "ai.onnx.ml"}
    assert not made.functions


@every_version
def test_its_manifest_tells_how_it_was_made(version: Path) -> None:
    manifest = manifest_of(version)

    assert manifest.environment.threads == 1
    assert {"scikit-learn", "numpy", "onnxruntime"} <= set(manifest.environment.packages)
    assert all((manifest.environment.cpu, manifest.environment.blas, manifest.environment.python))
    assert manifest.metrics["rows"] > 0
    assert set(manifest.reference) == {one["name"] for one in manifest.signature["inputs"]}
    for summary in manifest.reference.values():
        counts = summary["counts"] if "counts" in summary else [*summary["categories"].values(), summary["other"]]
        assert sum(counts) + summary["nulls"] == summary["count"]
        assert summary.get("edges", []) == sorted(set(summary.get("edges", [])))


@pytest.mark.parametrize("version", [path for path in VERSIONS if path.parent.parent.name in DEMO], ids=_name)
def test_a_demo_version_is_good_and_small(version: Path) -> None:
    metrics = manifest_of(version).metrics
    if "baseline_mae" in metrics:
        assert metrics["mae"] < metrics["baseline_mae"] / 2
    else:
        assert metrics["balanced_accuracy"] > 0.9
    assert sum(path.stat().st_size for path in version.iterdir()) < 2 * 2**20


@pytest.mark.parametrize("endpoint", sorted(DEMO))
def test_demo_data_says_where_it_comes_from(endpoint: str) -> None:
    said = (ARTIFACTS / endpoint / "data" / "SOURCE.md").read_text()
    files = [path for path in (ARTIFACTS / endpoint / "data").iterdir() if path.name != "SOURCE.md"]

    assert files
    for path in files:
        assert path.name in said
        assert manifests.sha256(path.read_bytes()) in said
    assert "Licence" in said


def test_water_flow_windows_are_24_consecutive_hours_and_the_next() -> None:
    dataset = datasets.load(definitions.read(ARTIFACTS / "water_flow"))
    with (ARTIFACTS / "water_flow" / "data" / "water_flow.csv").open() as file:
        flow = {
            datetime.datetime.fromisoformat(line["Time"]).timestamp(): float(line["Water flow [l/s]"])
            for line in csv.DictReader(file)
        }
    expected = [
        ([flow[hour - 3600 * lag] for lag in range(1, 25)], flow[hour])
        for hour in sorted(flow)
        if all(hour - 3600 * lag in flow for lag in range(1, 25))
    ]

    assert [list(row) for row in dataset.rows] == [lags for lags, _ in expected]
    assert list(dataset.targets) == [following for _, following in expected]
    assert len(expected) < len(flow) - 24
