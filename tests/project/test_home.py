"""The state folder."""

import json
import os
import subprocess
import sys

import pytest

from project.home import Home, HomeError
from tests.project.children import driver


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    yield made
    made.release()


def test_a_secret_is_made_once_and_readable_by_its_owner_only(home):
    secret = home.secret("secret_key")
    assert len(secret) > 60
    assert home.secret("secret_key") == secret
    assert (home.path / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.path.iterdir()] == ["secret_key"]


def test_processes_that_start_together_get_the_same_secret(home):
    code = (
        "import sys, pathlib; from project.home import Home; home = Home(pathlib.Path(sys.argv[1]))\n"
        "sys.stdin.read(); print(home.secret('secret_key'))"
    )
    starters = [driver(code, home.path) for _ in range(6)]
    for starter in starters:
        starter.stdin.close()
    assert len({starter.stdout.read() for starter in starters}) == 1
    for starter in starters:
        starter.stdout.close()
        assert starter.wait() == 0


def test_a_secret_that_was_never_written_is_made_again(home):
    home.make()
    (home.path / "secret_key").touch()
    assert home.secret("secret_key")


def test_a_folder_that_is_a_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(HomeError, match=r"FORETELL_HOME must be a folder that can be written; .*/file is not: "):
        Home(tmp_path / "file").secret("secret_key")


def test_a_folder_below_a_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(HomeError, match=r"FORETELL_HOME must be a folder that can be written"):
        Home(tmp_path / "file" / "home").make()


def test_folders_made_by_root_can_be_entered_whatever_the_umask(home):
    if os.geteuid() != 0:
        pytest.skip("only root drops to another account")
    old = os.umask(0o077)
    try:
        home.make()
    finally:
        os.umask(old)
    assert home.path.stat().st_mode & 0o111 == 0o111


def test_it_is_held_by_one_process_at_a_time(home):
    home.hold()
    other = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, pathlib; from project.home import Home; Home(pathlib.Path(sys.argv[1])).hold(0)",
            home.path,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"HomeError: Foretell already runs on {home.path}. Stop it first" in other.stderr
    with pytest.raises(HomeError, match="already runs"):
        Home(home.path).hold(0.1)
    home.release()
    home.hold(0)


def test_a_holder_that_was_killed_holds_no_more(home):
    holder = driver(
        "import sys, pathlib; from project.home import Home; home = Home(pathlib.Path(sys.argv[1])); home.hold()\n"
        "print('held', flush=True); sys.stdin.read()",
        home.path,
    )
    assert holder.stdout.readline() == "held\n"
    assert home.held
    holder.kill()
    holder.communicate()
    assert not home.held
    home.hold(0)


def test_published_addresses_are_private_and_found_until_withdrawn(home):
    home.hold()
    home.publish({"database_url": "postgresql://x"})
    assert (home.path / "addresses.json").stat().st_mode & 0o777 == 0o600
    assert Home(home.path).addresses() == {"database_url": "postgresql://x"}
    home.withdraw()
    assert Home(home.path).addresses() == {}


def test_addresses_of_a_publisher_that_is_gone_are_not_used(home):
    home.hold()
    home.publish({"database_url": "postgresql://x"})
    home.release()
    assert json.loads((home.path / "addresses.json").read_text())
    assert home.addresses() == {}
