"""What a new image needs before its processes start."""

import subprocess
import sys

import psycopg
import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management.base import CommandError
from django.db import connection

from inference.models import ControlLog
from project.management.commands import release

STRONG = "correct horse battery"


def released() -> subprocess.Popen[str]:
    """A release on the database of the environment, as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "manage.py", "release"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.django_db
def test_the_first_admin_is_made_once_and_keeps_a_changed_password():
    assert release.admin_ensure(STRONG) == "admin: `admin` made, with ADMIN_PASSWORD"
    assert ControlLog.objects.get().action == "user.create"
    user = authenticate(username="admin", password=STRONG)
    user.set_password("their own")
    user.save()
    assert release.admin_ensure(STRONG) == "admin: there is one"
    assert authenticate(username="admin", password="their own").is_superuser


@pytest.mark.django_db
def test_without_a_password_it_says_how_an_admin_is_made():
    assert "createsuperuser" in release.admin_ensure(None)
    assert not get_user_model().objects.exists()


@pytest.mark.django_db
def test_a_weak_password_of_the_admin_is_refused():
    with pytest.raises(CommandError, match=r"^ADMIN_PASSWORD is refused\. This password is too short"):
        release.admin_ensure("short")
    assert not get_user_model().objects.exists()


@pytest.mark.django_db
def test_a_migration_may_take_long_and_the_limits_are_back_afterwards():
    def limits() -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
            return list(cursor.fetchone())

    before = limits()
    with release._patient_statements():
        assert limits() == ["0", "10s"]
    assert limits() == before


def test_releases_take_turns(dsn, clean_tables, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", dsn)
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [release.TURN])
        waiting = released()
        assert waiting.stdout.readline() == "Another release is running; waiting for it.\n"
    said = waiting.communicate(timeout=100)[0]
    assert waiting.returncode == 0, said
    assert "shuttle-fault: " in said


def test_two_releases_at_once_on_an_empty_database_both_succeed(dsn, monkeypatch):
    with psycopg.connect(dsn, autocommit=True) as server:
        server.execute("CREATE DATABASE released")
    monkeypatch.setenv("DATABASE_URL", dsn.replace(f"/{connection.settings_dict['NAME']}?", "/released?"))
    monkeypatch.setenv("ADMIN_PASSWORD", STRONG)
    both = [released(), released()]
    said = [one.communicate(timeout=110)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert sorted("`admin` made" in text for text in said) == [False, True]
    assert sorted("No migrations to apply" in text for text in said) == [False, True]
    assert all("; random_forest-1.0.0 answers" in text for text in said)


def test_a_web_address_without_a_password_is_refused_before_anything_is_done(dsn, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", dsn)
    monkeypatch.setenv("WEB_DATABASE_URL", "postgresql://foretell_web@db/foretell")
    refused = released()
    said = refused.communicate(timeout=100)[0]
    assert refused.returncode == 1
    assert "WEB_DATABASE_URL must have a user and a password" in said


def test_a_database_that_is_away_is_told_in_one_line(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/x")
    refused = released()
    said = refused.communicate(timeout=60)[0]
    assert refused.returncode == 1
    assert len(said.splitlines()) == 1
    assert "Postgres can't be used" in said
    assert "hunter2" not in said
