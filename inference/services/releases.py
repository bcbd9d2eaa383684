"""From `artifacts/` in git to the registry: all of it or nothing, and as often as one likes."""

from dataclasses import dataclass
from pathlib import Path

from django.db import connection, transaction

from inference.engine import definition as definitions
from inference.engine import loader, store
from inference.engine import manifest as manifests
from inference.engine.definition import Definition
from inference.engine.store import FolderStore
from inference.errors import ReleaseInvalid
from inference.models import Deployment, Endpoint, Role, Version
from inference.services.control import control_log_write
from inference.services.deployments import version_deploy
from inference.services.versions import version_publish

FIRST_REASON = "The first champion: the endpoint had none."


@dataclass(frozen=True, slots=True)
class Released:
    """What deploying an endpoint's folder came to.

    `champion` is the tag that answers now, None if none can. `waiting` are tags whose inputs or outputs differ from
    what the endpoint has now; they go live by `--major` only.
    """

    slug: str
    published: tuple[str, ...]
    champion: str | None
    crowned: bool
    waiting: tuple[str, ...]


def release_deploy(*, artifacts: Path, into: FolderStore, actor: str) -> list[Released]:
    """Bring endpoints and versions of `artifacts` into the registry and the store.

    A version becomes champion only where the endpoint has none; none is ever demoted.

    Args:
        into: the store that serving reads.
        actor: who does it, for the history.

    Raises:
        DefinitionInvalid: an `endpoint.toml` can't be used.
        ReleaseInvalid: a folder's name is not what its contents say, or there is nothing to deploy.
        ArtifactError: a version is not what its manifest lists, or does not answer as recorded.
        VersionConflict: a tag is known with another digest.
    """
    known = set(Version.objects.values_list("digest", flat=True))
    read = [(definitions.read(folder), _versions(folder, known)) for folder in definitions.found(artifacts)]
    if not read:
        raise ReleaseInvalid(str(artifacts), f"holds no endpoint: no folder in it has an {definitions.NAME}.")
    slugs = [definition.slug for definition, _ in read]
    if twice := next((slug for slug in slugs if slugs.count(slug) > 1), None):
        raise ReleaseInvalid(str(artifacts), f"holds two endpoints with the slug {twice!r}. Each needs its own.")
    with transaction.atomic(), connection.cursor() as cursor:
        # Two machines that deploy at the same time take turns, instead of tripping over each other's rows.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('foretell deploy'))")
        return [_deploy(definition, folders, into, actor) for definition, folders in read]


def _versions(folder: Path, known: set[str]) -> list[Path]:
    """The version folders of an endpoint, each read and found sound; the ones not known yet also answer."""
    found = []
    for path in sorted(folder.glob("*/*/")):
        try:
            manifests.version_number(path.name)
        except ValueError:
            continue
        files = store.read(path)
        manifest = manifests.read(files[manifests.NAME])
        if (path.parent.name, path.name) != (manifest.algorithm, manifest.version):
            place = "/".join(path.parts[-3:])
            raise ReleaseInvalid(place, f"holds {manifest.tag}. Folders are named <algorithm>/<version>: move it.")
        digest = manifests.digest_of(files[manifests.NAME])
        if digest not in known:
            loader.load(files, digest=digest)
        found.append(path)
    return found


def _deploy(definition: Definition, folders: list[Path], into: FolderStore, actor: str) -> Released:
    endpoint = _endpoint(definition, actor)
    published = [version_publish(endpoint=endpoint, folder=folder, into=into, actor=actor) for folder in folders]
    champion = Deployment.objects.filter(endpoint=endpoint, role=Role.CHAMPION, ended_at=None).first()
    first = None if champion or endpoint.retired_at else _first(endpoint, definition)
    if first is not None:
        champion = version_deploy(endpoint=endpoint, version=first, actor=actor, reason=FIRST_REASON)
    return Released(
        slug=endpoint.slug,
        published=tuple(version.tag for version, new in published if new),
        champion=champion.version.tag if champion else None,
        crowned=first is not None,
        waiting=tuple(v.tag for v, _ in published if v.signature_digest != endpoint.signature_digest),
    )


def _endpoint(definition: Definition, actor: str) -> Endpoint:
    """The endpoint's row as its definition says. An untouched row is not written, so that nobody reloads anything."""
    said = {
        "name": definition.name,
        "description": definition.description,
        "folder": definition.folder.name,
        "audit": definition.audit,
    }
    signature = {"signature": definition.signature.to_dict(), "signature_digest": definition.signature.digest}
    # What `promotion` says is for the beginning, as `champion` is; afterwards people decide it.
    endpoint = Endpoint.objects.filter(slug=definition.slug).first() or Endpoint(
        slug=definition.slug, promotion=definition.promotion
    )
    # While a champion answers, its signature is what callers see; another one comes with `--major`.
    if endpoint.pk is None or not endpoint.deployments.filter(role=Role.CHAMPION, ended_at=None).exists():
        said |= signature
    changed = [name for name, value in said.items() if getattr(endpoint, name) != value]
    new, before = endpoint.pk is None, {name: getattr(endpoint, name) for name in changed}
    for name in changed:
        setattr(endpoint, name, said[name])
    if changed:
        endpoint.full_clean()
        endpoint.save(update_fields=None if new else changed)
        # The signature is long, and its digest says whether it is the same.
        after = {name: said[name] for name in changed if name != "signature"}
        action, before = ("endpoint.create", {}) if new else ("endpoint.change", {name: before[name] for name in after})
        control_log_write(actor=actor, action=action, target=endpoint, before=before, after=after)
    return endpoint


def _first(endpoint: Endpoint, definition: Definition) -> Version | None:
    """The version to begin with: the highest of the named algorithm, else of the first one by name.

    Raises:
        ReleaseInvalid: the named algorithm has no version that fits the endpoint.
    """
    fitting = Version.objects.filter(endpoint=endpoint, signature_digest=endpoint.signature_digest)
    if definition.champion is not None:
        fitting = fitting.filter(algorithm=definition.champion)
    first = fitting.order_by("algorithm", "-major", "-minor", "-patch").first()
    if first is None and definition.champion is not None and endpoint.versions.exists():
        raise ReleaseInvalid(
            f"{definition.folder.name}/{definitions.NAME}",
            f"names {definition.champion!r} as champion, which has no version with these inputs and outputs.",
        )
    return first
