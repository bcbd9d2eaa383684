"""What `endpoint.toml` says: a question, its signature, and where its training data lies."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference.engine.errors import DefinitionInvalid, InvalidSignature
from inference.engine.signature import Signature

NAME = "endpoint.toml"
AUDITS = ("strict", "fast", "off")
PROMOTIONS = ("deploy", "approve", "register")
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,62}[a-z0-9])?")
_KEYS = {"slug", "name", "description", "audit", "champion", "promotion", "inputs", "output", "data"}


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One endpoint as git holds it.

    `champion` is the algorithm that answers where nothing was deployed yet. `promotion` is what a new endpoint does
    with versions that retraining made. `data` is the `[data]` table as written; training reads it.
    """

    folder: Path
    slug: str
    name: str
    description: str
    audit: str
    champion: str | None
    promotion: str
    signature: Signature
    data: Mapping[str, Any] = field(default_factory=dict)


def read(folder: Path) -> Definition:
    """Read an endpoint's folder.

    Raises:
        DefinitionInvalid: the file is not there, not TOML, or lacks or contradicts something.
    """
    path = folder / NAME
    place = f"{folder.name}/{NAME}"
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DefinitionInvalid(
            place, f"can't be read ({error.strerror}). Each endpoint has a folder with one."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DefinitionInvalid(place, f"is not TOML: {error}.") from error
    if unknown := sorted(set(said) - _KEYS):
        raise DefinitionInvalid(place, f"has no use for `{unknown[0]}`. It may have {', '.join(sorted(_KEYS))}.")
    slug = said.get("slug")
    if not isinstance(slug, str) or not _SLUG.fullmatch(slug):
        raise DefinitionInvalid(place, "needs a `slug` of 1 to 64 of a-z, 0-9, `_`, `.` and `-`.")
    audit = said.get("audit", "strict")
    if audit not in AUDITS:
        raise DefinitionInvalid(place, f"has audit {audit!r}; it is one of {', '.join(AUDITS)}.")
    promotion = said.get("promotion", "approve")
    if promotion not in PROMOTIONS:
        raise DefinitionInvalid(place, f"has promotion {promotion!r}; it is one of {', '.join(PROMOTIONS)}.")
    champion, data = said.get("champion"), said.get("data", {})
    if champion is not None and not (isinstance(champion, str) and _SLUG.fullmatch(champion)):
        raise DefinitionInvalid(place, f"has champion {champion!r}; it is the name of an algorithm's folder.")
    if not isinstance(data, dict):
        raise DefinitionInvalid(place, "has a `data` that is no table. Write `[data]`.")
    try:
        signature = Signature.from_dict({key: said[key] for key in ("inputs", "output") if key in said})
    except InvalidSignature as error:
        raise DefinitionInvalid(place, f"holds a signature that can't be used: {error}") from error
    return Definition(
        folder=folder,
        slug=slug,
        name=str(said.get("name", slug)),
        description=str(said.get("description", "")).strip(),
        audit=audit,
        champion=champion,
        promotion=promotion,
        signature=signature,
        data=data,
    )


def found(artifacts: Path) -> list[Path]:
    """The endpoint folders under `artifacts`, sorted by name."""
    return sorted(path.parent for path in artifacts.glob(f"*/{NAME}"))
