"""People who log in to a stack over HTTP, as a browser does."""

import re
from dataclasses import dataclass

import httpx

from tests.faults.stack import Stack

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is logged in at `address`."""

    address: str
    jar: dict[str, str]

    @property
    def cookies(self) -> str:
        """The `Cookie` header."""
        return "; ".join(f"{name}={value}" for name, value in self.jar.items())

    def log_out(self) -> None:
        """End the session."""
        form = {"csrfmiddlewaretoken": self.jar["csrftoken"]}
        answer = httpx.post(f"{self.address}/logout/", data=form, headers={"cookie": self.cookies}, timeout=20)
        assert answer.status_code in (200, 302), answer.text[:500]


def account(stack: Stack, name: str, *groups: str) -> None:
    """Make an account with the password `PASSWORD`."""
    code = (
        "from django.contrib.auth.models import Group, User\n"
        f"user = User.objects.create_user({name!r}, password={PASSWORD!r}, is_staff=True)\n"
        f"user.groups.set(Group.objects.filter(name__in={list(groups)!r}))\n"
        f"assert user.groups.count() == {len(groups)}\n"
    )
    stack.manage("shell", "--no-imports", "-c", code)


def made(stack: Stack, name: str, *groups: str) -> Person:
    """Make an account, and log in."""
    account(stack, name, *groups)
    address = f"http://{stack.host}:{stack.port}"
    with httpx.Client(base_url=address, follow_redirects=True, timeout=20) as browser:
        page = browser.get("/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text).group(1)
        form = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": token}
        assert "/logout/" in browser.post(page.url, data=form).text
        return Person(address, dict(browser.cookies))
