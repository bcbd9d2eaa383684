"""A version's model card: everything its manifest tells, as sections and as Markdown."""

import msgspec
import pytest

from inference.engine import card
from inference.engine import manifest as manifests
from inference.engine.manifest import Manifest
from tests.inference import tiny

DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    folder = tiny.write_version(tiny.write_endpoint(tmp_path))
    return manifests.read((folder / manifests.NAME).read_bytes())


def test_markdown_tells_all_of_the_manifest(manifest):
    text = card.markdown(manifest, digest=DIGEST)
    for shown in ("# flow / line-1.0.0", DIGEST, "regression", "l/s", "-100 to 100", "r2", "0.5", "slope", "rows.csv"):
        assert shown in text
    for file in manifest.files.values():
        assert file.sha256 in text


def test_every_row_has_as_many_cells_as_its_table_has_columns(manifest):
    for section in card.sections(manifest, digest=DIGEST):
        assert {len(row) for row in section.rows} <= {len(section.columns)}


def test_an_empty_section_says_so(manifest):
    assert "## What the training data looked like\n\nNothing is recorded." in card.markdown(manifest, digest=DIGEST)


def test_nothing_a_name_holds_becomes_markup(manifest):
    odd = msgspec.structs.replace(manifest, params={"a|b\n# c": "<script>*_`[x](y)"})
    (line,) = [line for line in card.markdown(odd, digest=DIGEST).splitlines() if "script" in line]
    assert line == r"| a\|b # c | \<script>\*\_\`\[x](y) |"


def test_the_training_data_is_told_in_the_order_of_the_inputs(manifest):
    reference = {
        "b": {"count": 3, "nulls": 1, "categories": {"low": 1, "high": 2}},
        "a": {"count": 4, "nulls": 0, "mean": 1.5, "variance": 4.0, "min": -1.0, "max": 3.0},
    }
    known = msgspec.structs.replace(manifest, reference=reference)
    (section,) = [one for one in card.sections(known, digest=DIGEST) if one.title.startswith("What the training")]
    assert section.rows == (
        ("a", "4", "0", "1.5", "2", "-1", "3", "-"),
        ("b", "3", "1", "-", "-", "-", "-", "high (2), low (1)"),
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"dtype": "float"}, "any number"),
        ({"dtype": "float", "min": 0}, "from 0"),
        ({"dtype": "float", "max": 5000}, "up to 5,000"),
        ({"dtype": "int", "min": 0, "max": 1, "nullable": True}, "0 to 1, may be missing"),
        ({"dtype": "float", "min": 0, "max": 1, "out_of_range": "warn"}, "0 to 1, beyond with a warning"),
        ({"dtype": "string"}, "any text"),
        ({"dtype": "string", "categories": ["a", "b"], "unknown": "pass"}, "one of a, b, others too"),
    ],
)
def test_what_an_input_accepts_is_told_in_words(said, words):
    assert card.accepted(said) == words


def test_columns_that_say_nothing_are_left_out():
    signature = {"inputs": [{"name": "a", "dtype": "float", "unit": "1"}], "output": {"kind": "regression"}}
    assert card.asked(signature).columns == ("Input", "Type", "Accepts")
    signature["inputs"][0]["unit"] = "m"
    assert card.asked(signature).columns == ("Input", "Type", "Unit", "Accepts")
