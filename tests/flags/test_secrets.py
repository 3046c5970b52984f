"""What is shown of keys and of URLs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signakit_flags._secrets import conceal, shown_url, without_secrets

# --- how a URL is shown -----------------------------------------------------------------------------------------------

KEPT = [
    "http://example.com/base",
    "https://example.com:8443",
    "http://[::1]:80/x",
    "http://[::1",
    "http:///path",
    "unix:///run/x.sock",
    "example.com/configs",
    "proxy:3128",
    "localhost",
]


@pytest.mark.parametrize("url", KEPT)
def test_a_url_without_secrets_is_shown_as_it_is(url: str) -> None:
    assert shown_url(f" {url}\n") == url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:s3cret@example.com/base", "http://***@example.com/base"),
        ("http://s3cret@example.com", "http://***@example.com"),
        ("http://user:s3/c@ret?s3cret@example.com:80", "http://***@example.com:80"),
        ("user:s3cret@proxy:3128", "***@proxy:3128"),
        ("http:/user:s3cret@example.com", "***@example.com"),
        ("http://user:s3cret", "http://user:***"),
        ("user:s3cret", "user:***"),
        ("http://example.com/x?token=s3cret#s3cret", "http://example.com/x?***"),
        ("http://example.com/#s3cret", "http://example.com/#***"),
        ("sk_prod_org_project_s3cret", "sk_prod_***"),
        ("SK_DEV_org_project_s3cret", "SK_DEV_***"),
        ("https://example.com/sk_dev_org_1_s3cret/x", "https://example.com/sk_dev_***"),
        ("s3cret", "***"),
        ("/s3cret", "***"),
        ("//s3cret", "***"),
        (f"s3cret.{'payload' * 20}.signature", "***"),
    ],
)
def test_what_may_be_secret_in_a_url_is_hidden(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_settings_are_concealed_and_stay_equal() -> None:
    given = {
        "SIGNAKIT_SDK_KEY": "s3cret",
        "sdk_key": None,
        "cdn_url": "http://user:s3cret@cdn",
        "sdkkey": "sk_dev_org_1_s3cret",
        "identify": "task_helpers.identify",
        "timeout": 3,
    }
    concealed = conceal(given)
    assert concealed == given
    assert repr(concealed) == repr(
        {
            "SIGNAKIT_SDK_KEY": "***",
            "sdk_key": None,
            "cdn_url": "http://***@cdn",
            "sdkkey": "sk_dev_***",
            "identify": "task_helpers.identify",
            "timeout": 3,
        }
    )
    assert concealed is not given
    assert repr(conceal(concealed)) == repr(concealed)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("no answer for http://me:s3cret@cdn:80/x@y", "no answer for http://***@cdn:80/x@y"),
        ("<Request('GET', 'http://me:s3cret@cdn/x')> http://a", "<Request('GET', 'http://***@cdn/x')> http://a"),
        ("header b'sk_prod_org_1_s3cret' is illegal", "header b'sk_prod_***' is illegal"),
        ("[Errno 111] Connection refused", "[Errno 111] Connection refused"),
    ],
)
def test_secrets_are_taken_out_of_text(text: str, left: str) -> None:
    assert without_secrets(text) == left


def test_a_long_url_is_shown_cut() -> None:
    shown = shown_url(f"http://example.com/{'x' * 10_000}")
    assert len(shown) == 200
    assert shown.endswith("xxx...")


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(["http://", "", "//", "http:/", "\t"]))
def test_a_url_of_any_text_can_be_shown(before: str, after: str, start: str) -> None:
    assert "s3cret" not in shown_url(f"{start}{before}:s3cret@{after}")
