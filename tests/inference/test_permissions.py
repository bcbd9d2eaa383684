"""The groups people are in, and what ownership of an endpoint means."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User

from inference.models import Endpoint
from inference.permissions import ADMIN, DATA_SCIENTIST, GROUPS, OPERATOR, VIEWER, may_deploy

pytestmark = pytest.mark.django_db


def _person(name: str, *groups: str) -> User:
    person = User.objects.create_user(name, is_staff=True)
    person.groups.set(Group.objects.filter(name__in=groups))
    return person


def _endpoint(owner: User | None) -> Endpoint:
    return Endpoint.objects.create(
        slug="flow", name="Flow", folder="flow", signature={}, signature_digest="-", owner=owner
    )


def test_the_seeded_groups_have_the_declared_permissions():
    seeded = {
        group.name: {
            f"{p.content_type.app_label}.{p.codename}" for p in group.permissions.select_related("content_type")
        }
        for group in Group.objects.all()
    }
    assert seeded == GROUPS


@pytest.mark.parametrize(("group", "may"), [(VIEWER, False), (OPERATOR, False), (DATA_SCIENTIST, True), (ADMIN, True)])
def test_whose_endpoint_is_nobodys_is_open_to_who_deploys(group, may):
    assert may_deploy(_person("ada", group), _endpoint(None)) is may


@pytest.mark.parametrize(("group", "may"), [(VIEWER, False), (OPERATOR, False), (DATA_SCIENTIST, False), (ADMIN, True)])
def test_anothers_endpoint_is_left_to_its_owner_and_the_admins(group, may):
    assert may_deploy(_person("ada", group), _endpoint(_person("grace"))) is may


@pytest.mark.parametrize(("group", "may"), [(VIEWER, False), (OPERATOR, False), (DATA_SCIENTIST, True), (ADMIN, True)])
def test_owning_an_endpoint_gives_no_permission_that_one_has_not(group, may):
    person = _person("ada", group)
    assert may_deploy(person, _endpoint(person)) is may


def test_strangers_and_locked_accounts_deploy_nothing():
    endpoint = _endpoint(None)
    assert not may_deploy(AnonymousUser(), endpoint)
    person = _person("ada", ADMIN)
    person.is_active = False
    assert not may_deploy(person, endpoint)
