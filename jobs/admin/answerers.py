"""Which endpoints and versions a form offers, and what was chosen."""

from dataclasses import dataclass

from inference.engine.errors import ModelUnavailable
from inference.errors import UnknownEndpoint
from inference.models import Deployment, Endpoint, Role, Version
from inference.permissions import Person, may_act_on
from inference.selectors import endpoint_get, version_get, version_list


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of the list: `value` is `slug/tag`, or `slug/` for whatever is live."""

    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Answerer:
    """An endpoint with the versions that may answer, and the tags of all of them."""

    slug: str
    choices: list[Choice]
    tags: list[str]


def answerers(user: Person) -> list[Answerer]:
    """Endpoints that somebody may act on and that have a version, with what is live first."""
    live = Deployment.objects.filter(role=Role.CHAMPION, ended_at=None).select_related("version")
    champions = {one.endpoint_id: one.version.tag for one in live.defer("version__manifest")}
    found = []
    for endpoint in Endpoint.objects.filter(retired_at=None).order_by("slug"):
        if not may_act_on(user, endpoint):
            continue
        tags = [version.tag for version in version_list(endpoint=endpoint)]
        choices = [Choice(f"{endpoint.slug}/{tag}", f"{endpoint.slug}/{tag}") for tag in tags]
        if endpoint.pk in champions:
            text = f"{endpoint.slug}, the live one ({champions[endpoint.pk]})"
            choices.insert(0, Choice(f"{endpoint.slug}/", text))
        if choices:
            found.append(Answerer(endpoint.slug, choices, tags))
    return found


def chosen(user: Person, value: str) -> tuple[Endpoint, Version]:
    """The endpoint and the version of a choice.

    Raises:
        UnknownEndpoint: there is none, it answers no more, or the user may not act on it.
        UnknownVersion: it has none of that tag.
        ModelUnavailable: what is live was chosen, and nothing is.
    """
    slug, _, tag = value.partition("/")
    endpoint = endpoint_get(slug=slug)
    if endpoint.retired_at is not None or not may_act_on(user, endpoint):
        raise UnknownEndpoint(slug)
    if tag:
        return endpoint, version_get(endpoint=endpoint, tag=tag)
    live = endpoint.deployments.filter(role=Role.CHAMPION, ended_at=None).select_related("version").first()
    if live is None:
        raise ModelUnavailable(slug, "no version of it is live")
    return endpoint, live.version
