"""What the flags of a request ask of its response."""

from __future__ import annotations

import pytest

from signakit_flags.integration import VisitorCookie
from signakit_flags.integration.response import keep_private, not_kept

REMEDY = "set the cookie's domain to the site's own or to None, or have the proxy pass the host on"
ID = "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"


@pytest.mark.parametrize(
    ("given", "expected", "public"),
    [
        (None, "private", False),
        ("", "private", False),
        ("max-age=60", "max-age=60, private", False),
        ("public", "private", True),
        ("Public , max-age=60,", "max-age=60, private", True),
        ("private", None, False),
        ("PRIVATE, public", None, True),
        ("no-store", None, False),
        ("no-cache", "no-cache, private", False),
        ('private="set-cookie, x"', 'private="set-cookie, x", private', False),
        ('x="a, private", max-age=1', 'x="a, private", max-age=1, private', False),
        ('x="not closed, public', 'x="not closed, public, private', False),
    ],
)
def test_private_is_added_unless_the_response_is_private_already(
    given: str | None, expected: str | None, public: bool
) -> None:
    assert keep_private(given) == (expected, public)


@pytest.mark.parametrize(
    ("policy", "secure", "host", "reason"),
    [
        ({}, False, "shop.test", None),
        ({"secure": True}, True, "shop.test", None),
        ({"secure": True}, False, "shop.test", "it is Secure, and the request came by http; serve https, or REMEDY"),
        ({"secure": True}, False, None, "it is Secure, and the request came by http; serve https, or REMEDY"),
        ({"secure": True}, False, "localhost:8000", None),
        ({"secure": True}, False, "127.0.0.1:8000", None),
        ({"secure": True}, False, "[::1]:8000", None),
        ({"secure": True}, False, "[::1]", None),
        ({"domain": "shop.test"}, False, "shop.test:8000", None),
        ({"domain": ".shop.test"}, False, "www.Shop.Test.", None),
        ({"domain": "shop.test"}, False, None, None),
        ({"domain": "shop.test"}, False, "", None),
        ({"domain": "shop.test"}, False, "backend:8000", None),
        ({"domain": "shop.test"}, False, "10.0.0.7:8000", None),
        ({"domain": "shop.test"}, False, "[2001:db8::1]:8000", None),
        (
            {"domain": "shop.test"},
            False,
            "myshop.test",
            f"its domain is 'shop.test'; {REMEDY}",
        ),
        (
            {"domain": "www.shop.test"},
            True,
            "shop.test",
            f"its domain is 'www.shop.test'; {REMEDY}",
        ),
    ],
)
def test_a_cookie_that_no_browser_keeps_has_a_reason(
    policy: dict[str, object], secure: bool, host: str | None, reason: str | None
) -> None:
    cookie = VisitorCookie(**policy).set_cookie(ID, secure=secure)  # type: ignore[arg-type]
    found = not_kept(cookie, secure=secure, host=host, remedy="REMEDY")
    assert found == (None if reason is None else (*policy, reason))
