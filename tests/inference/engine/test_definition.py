"""Reading `endpoint.toml`."""

from pathlib import Path

import pytest

from inference.engine import definition as definitions
from inference.engine.errors import DefinitionInvalid
from tests import boilers


def test_an_endpoint_is_read_with_its_defaults(tmp_path: Path) -> None:
    read = definitions.read(boilers.write(tmp_path))

    assert (read.slug, read.name, read.audit, read.champion) == ("boiler-service", "Boiler service", "strict", None)
    assert read.signature.names == ("flue_c", "starts", "serial", "fuel")
    assert read.data["file"] == "boilers.csv"
    assert read.promotion == "approve"
    assert definitions.found(tmp_path) == [tmp_path / "boilers"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("slug =", "slug ", "is not TOML"),
        ('slug = "boiler-service"', "", "needs a `slug`"),
        ('slug = "boiler-service"', 'slug = "Boiler service"', "needs a `slug`"),
        ('name = "Boiler service"', 'audit = "loose"', "has audit 'loose'"),
        ('name = "Boiler service"', 'promotion = "hope"', "has promotion 'hope'"),
        ('name = "Boiler service"', "colour = 1", "no use for `colour`"),
        ('name = "Boiler service"', "champion = 1", "has champion 1"),
        ('dtype = "int64"', 'dtype = "integer"', "signature that can't be used"),
        ('kind = "classification"', "", "signature that can't be used"),
    ],
)
def test_what_can_not_be_used_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    folder = boilers.write(tmp_path, endpoint=boilers.ENDPOINT.replace(old, new))

    with pytest.raises(DefinitionInvalid, match=said):
        definitions.read(folder)


def test_a_folder_without_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DefinitionInvalid, match="can't be read"):
        definitions.read(tmp_path)
