"""The first page after login, for whoever may see predictions; what it does in a browser is in tests/e2e."""

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.staticfiles import finders

from inference import ids
from inference.engine.store import FolderStore
from inference.models import Endpoint, Prediction, Source
from inference.services import release_deploy
from project.console import live
from project.routing import router
from tests.inference import tiny


@pytest.fixture
def prediction(tmp_path, db):
    tiny.write_version(tiny.write_endpoint(tmp_path / "artifacts"))
    release_deploy(artifacts=tmp_path / "artifacts", into=FolderStore(tmp_path / "store"), actor="test")
    endpoint = Endpoint.objects.get()
    return Prediction.objects.create(
        id=ids.prediction_id(),
        endpoint=endpoint,
        version=endpoint.versions.get(),
        source=Source.STREAM,
        request_id=ids.prediction_id(),
        features=[1, 2],
        output={"value": 31.25},
    )


def test_a_stranger_is_asked_to_log_in(client, db):
    answer = client.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login/?next=/")
    page = client.get("/login/").content.decode()
    assert "Foretell" in page
    assert 'name="password"' in page


def test_after_login_the_page_knows_where_to_look(client, admin_user, prediction):
    answer = client.post("/login/?next=/", {"username": "admin", "password": "password"}, follow=True)
    page = answer.content.decode()
    assert 'data-socket="/ws/v1/live"' in page
    assert 'src="/static/project/live.js"' in page
    assert 'href="/static/project/live.css"' in page


def test_the_socket_of_the_page_is_one(rf):
    assert any(route.pattern.match(live.SOCKET.lstrip("/")) for route in router.routes[:-1])


@pytest.mark.parametrize("name", ["project/live.js", "project/live.css"])
def test_what_the_page_loads_is_there(name):
    assert finders.find(name)


def test_the_page_itself_holds_no_script(admin_client, prediction):
    page = admin_client.get("/").content.decode()
    mine = page[page.index('id="live"') : page.index("</template>")]
    assert "<script" not in mine
    assert not re.search(r"\son[a-z]+=|\sstyle=|x-data|x-on", mine)


def test_who_logs_in_without_a_wish_comes_to_the_first_page(client, admin_user):
    answer = client.post("/login/", {"username": "admin", "password": "password"})
    assert answer.headers["Location"] == "/"


def test_without_the_permission_nothing_is_followed(client, prediction):
    user = User.objects.create_user("eve", password="x", is_staff=True)
    client.force_login(user)
    page = client.get("/").content.decode()
    assert "You may not see predictions" in page
    assert "live.js" not in page
    user.user_permissions.add(Permission.objects.get(codename="view_prediction"))
    page = client.get("/").content.decode()
    assert "live.js" in page
    assert 'data-version=""' in page
    assert "Try it" not in page


def test_the_sidebar_shows_what_one_may_open(client, admin_client, prediction):
    assert "/inference/credential/" in admin_client.get("/").content.decode()
    client.force_login(User.objects.create_user("eve", password="x", is_staff=True))
    assert "/inference/credential/" not in client.get("/").content.decode()


def test_the_page_works_without_any_endpoint(admin_client, db):
    page = admin_client.get("/").content.decode()
    assert "manage.py deploy" in page


@pytest.mark.parametrize(
    "address", ["/", "/login/", "/inference/prediction/", "/inference/credential/add/", "/auth/user/", "/auth/group/"]
)
def test_pages_load_nothing_from_elsewhere(admin_client, client, prediction, address):
    page = (client if address == "/login/" else admin_client).get(address).content.decode()
    loaded = re.findall(r'<(?:script|img|iframe)[^>]*\ssrc="([^"]+)"|<link[^>]*\shref="([^"]+)"', page)
    addresses = [one or other for one, other in loaded]
    assert addresses
    assert [place for place in addresses if not place.startswith("/") or place.startswith("//")] == []


def test_the_page_carries_the_sign_of_the_house(admin_client, db):
    page = admin_client.get("/").content.decode()
    assert 'href="/static/project/favicon.svg"' in page
    assert finders.find("project/favicon.svg")
    assert "Foretell" in page.partition("</head>")[2]
