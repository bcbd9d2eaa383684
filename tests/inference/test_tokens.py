"""Tokens: their form, and what is kept of them."""

import hashlib

import pytest

from inference.tokens import new_secret, presented


def test_a_new_token_is_found_by_its_prefix_and_proven_by_its_digest():
    token, prefix, sha256 = new_secret()
    assert presented(f"Bearer {token}") == (prefix, sha256)
    assert sha256 == hashlib.sha256(token.encode()).digest()
    assert token.startswith(f"ft_{prefix}_")


def test_tokens_hold_256_random_bits():
    secrets = {new_secret()[0].split("_", 2)[2] for _ in range(100)}
    assert len(secrets) == 100
    assert {len(secret) for secret in secrets} == {43}


def test_the_scheme_may_be_in_any_case():
    token, prefix, _ = new_secret()
    assert presented(f"bEARER  {token}").prefix == prefix


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Bearer ft_abcdefgh",
        "Bearer ft_abcdefg_" + "x" * 43,
        "Bearer ft_ABCDEFGH_" + "x" * 43,
        "Bearer ft_abcdefgh_" + "x" * 42,
        "Bearer ft_abcdefgh_" + "x" * 44,
        "Bearer ft_abcdefgh_" + "x" * 42 + "\n",
        "Bearer ft_abcdefgh_" + "x" * 43 + "\n",
        "Bearer ft_abcdefgh_" + "é" * 43,
        "ft_abcdefgh_" + "x" * 43,
    ],
)
def test_what_has_not_the_form_of_a_token_is_none(authorization):
    assert presented(authorization) is None
