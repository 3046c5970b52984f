from __future__ import annotations

import uuid
from http.cookies import SimpleCookie
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signakit_flags.integration import SetCookie, VisitorCookie, is_visitor_id, new_visitor_id

ID = "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"


def test_a_new_id_is_a_random_uuid_and_valid() -> None:
    ids = {new_visitor_id() for _ in range(100)}
    assert len(ids) == 100
    for text in ids:
        assert uuid.UUID(text).version == 4
        assert str(uuid.UUID(text)) == text
        assert is_visitor_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "visitor",
        ID[:-1],
        ID + "0",
        ID + "\n",
        " " + ID,
        ID.upper(),
        ID.replace("-", ""),
        "{" + ID + "}",
        "urn:uuid:" + ID,
        ID.replace("-4", "-1", 1),  # not of version 4
        ID.replace("-9", "-c", 1),  # not of the variant
        ID.replace("8", "\u0668", 1),  # a digit, but not ours
        ID.replace("8", "\x00", 1),
        "a" * 8_192,
        "90791b3e-e81b-11f1-89d7-02fc00000001",  # of version 1
        None,
        uuid.UUID(ID),
    ],
)
def test_anything_else_is_no_visitor_id(text: object) -> None:
    assert is_visitor_id(ID)
    assert not is_visitor_id(text)


@given(st.text())
def test_no_text_but_a_uuid_passes(text: str) -> None:
    assert not is_visitor_id(text) or str(uuid.UUID(text)) == text


def test_the_cookie_is_as_the_contract_says_unless_told_otherwise() -> None:
    assert VisitorCookie().set_cookie(ID, secure=False) == SetCookie(
        key="visitor_id",
        value=ID,
        max_age=365 * 24 * 60 * 60,
        path="/",
        domain=None,
        secure=False,
        httponly=True,
        samesite="Lax",
    )


@pytest.mark.parametrize(
    ("policy", "https", "secure"),
    [(None, False, False), (None, True, True), (True, False, True), (False, True, False)],
)
def test_it_is_secure_on_https_unless_the_policy_says_otherwise(policy: bool | None, https: bool, secure: bool) -> None:
    assert VisitorCookie(secure=policy).set_cookie(ID, secure=https).secure is secure


def test_its_header_reads_as_http_wants_it() -> None:
    policy = VisitorCookie(name="vid", max_age=60, path="/shop", domain="example.com", samesite="Strict")
    jar: SimpleCookie = SimpleCookie()
    jar.load(policy.set_cookie(ID, secure=True).header())
    morsel = jar["vid"]
    assert morsel.value == ID
    assert {name: value for name, value in morsel.items() if value} == {
        "max-age": "60",
        "path": "/shop",
        "domain": "example.com",
        "samesite": "Strict",
        "secure": True,
        "httponly": True,
    }
    assert "HttpOnly" not in VisitorCookie(httponly=False).set_cookie(ID, secure=False).header()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "a;b"},
        {"name": "a\r\nSet-Cookie: b"},
        {"name": "a" * 257},
        {"name": 1},
        {"name": "Path"},
        {"name": "max-age"},
        {"name": "__Secure-vid"},
        {"name": "__Host-vid"},
        {"name": "__Host-vid", "secure": True, "domain": "example.com"},
        {"name": "__Host-vid", "secure": True, "path": "/shop"},
        {"max_age": 0},
        {"max_age": -1},
        {"max_age": 1.5},
        {"max_age": True},
        {"max_age": 2**31},
        pytest.param({"max_age": 10**400}, id="10**400"),
        {"path": "shop"},
        {"path": "/\r\nX: y"},
        {"path": "/; Secure"},
        {"path": None},
        {"domain": ""},
        {"domain": "example.com;"},
        {"domain": 1},
        {"secure": "yes"},
        {"httponly": None},
        {"samesite": "lax"},
        {"samesite": None},
        {"samesite": "None"},
        {"samesite": "None", "secure": False},
    ],
    ids=str,
)
def test_a_policy_that_no_browser_would_take_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        VisitorCookie(**wrong)


@pytest.mark.parametrize("name", ["__Host-vid", "__Secure-vid"])
def test_a_name_with_a_promise_goes_with_what_it_promises(name: str) -> None:
    assert VisitorCookie(name=name, secure=True).set_cookie(ID, secure=False).secure


def test_samesite_none_goes_with_secure() -> None:
    assert VisitorCookie(samesite="None", secure=True).set_cookie(ID, secure=False).secure
