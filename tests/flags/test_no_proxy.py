"""NO_PROXY: what an entry exempts, and which entries cannot be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signakit_flags._runtime.transport.no_proxy import Exemption, parse, parse_entry

NAME = "http://shop.example.com/a"
EXEMPTED = [
    ("*", NAME),
    ("*", "https://[2001:db8::1]/"),
    ("*:80", NAME),
    ("http://*", NAME),
    # Names, on the boundary of a label.
    ("example.com", NAME),
    ("example.com", "https://example.com:8443/"),
    (".example.com", NAME),
    (".example.com", "http://example.com/"),
    ("*.example.com", NAME),
    ("*.example.com", "http://example.com/"),
    ("shop.example.com", NAME),
    ("com", NAME),
    ("EXAMPLE.com", NAME),
    ("example.com", "http://SHOP.Example.COM/"),
    ("example.com.", NAME),
    ("example.com", "http://shop.example.com./"),
    ("my_host", "http://my_host/"),
    ("bücher.example", "http://shop.xn--bcher-kva.example/"),
    # Ports, also those that go without saying.
    ("example.com:80", NAME),
    ("example.com:443", "https://example.com/"),
    ("example.com:8080", "http://example.com:8080/"),
    # Schemes.
    ("http://example.com", NAME),
    ("http://example.com/", NAME),
    ("HTTP://example.com", NAME),
    ("all://example.com", NAME),
    ("https://example.com:8443", "https://example.com:8443/"),
    ("http://10.0.0.0/8", "http://10.1.2.3/"),
    # Addresses.
    ("10.1.2.3", "http://10.1.2.3:8080/"),
    ("10.1.2.3:8080", "http://10.1.2.3:8080/"),
    ("2001:db8::1", "http://[2001:db8::1]/"),
    ("[2001:db8::1]", "http://[2001:db8::1]/"),
    ("[2001:DB8:0::1]", "http://[2001:db8::1]:8080/"),
    ("[2001:db8::1]:8080", "http://[2001:db8::1]:8080/"),
    ("http://[2001:db8::1]:8080", "http://[2001:db8::1]:8080/"),
    ("fe80::1%eth0", "http://[fe80::1%25eth0]/"),
    ("10.1.2.3", "http://[::ffff:10.1.2.3]/"),
    ("::ffff:10.1.2.3", "http://10.1.2.3/"),
    # Ranges.
    ("10.0.0.0/8", "http://10.1.2.3/"),
    ("10.9.9.9/8", "http://10.1.2.3/"),
    ("10.0.0.0/255.0.0.0", "http://10.1.2.3/"),
    ("0.0.0.0/0", "http://10.1.2.3/"),
    ("10.0.0.0/8", "http://[::ffff:10.1.2.3]/"),
    ("::ffff:10.0.0.0/104", "http://10.1.2.3/"),
    ("fd07:b51a:cc66:f0::/64", "http://[fd07:b51a:cc66:f0::7]/"),
    ("[fd00::]/8", "http://[fd07::7]/"),
    ("10.0.0.0/8:8080", "http://10.1.2.3:8080/"),
    ("[fd00::]/8:8080", "http://[fd07::7]:8080/"),
]
NOT_EXEMPTED = [
    ("example.com", "http://notexample.com/"),
    ("example.com", "http://example.com.test/"),
    ("shop.example.com", "http://example.com/"),
    ("example.com:8080", NAME),
    ("example.com:80", "https://example.com/"),
    ("https://example.com", NAME),
    ("*:8080", NAME),
    ("10.1.2.3", "http://10.1.2.4/"),
    ("10.1.2.3", "http://110.1.2.3/"),
    ("2.3", "http://10.1.2.3/"),
    ("10.0.0.0/8", "http://11.1.2.3/"),
    ("10.0.0.0/8", NAME),
    ("0.0.0.0/0", "http://[2001:db8::1]/"),
    ("::/0", "http://10.1.2.3/"),
    ("fe80::/10", "http://[fd00::1]/"),
    ("[2001:db8::1]:8080", "http://[2001:db8::1]/"),
]
UNREADABLE = [
    "10.*",
    "192.168.*",
    "*example.com",
    "<local>",
    "a.test;b.test",
    "exa!mple",
    "example..com",
    ".",
    "*.",
    "://",
    "http://",
    "ftp://example.com",
    "example.com:",
    "example.com:0",
    "example.com:65536",
    "example.com:http",
    "10.0.0.0/33",
    "fd00::/129",
    "1:2:3",
    "[::1",
    "[::1]x",
    "[10.0.0.1]",
    "user:secret@example.com",
    "example.com/path",
    "\u00ad",
]


@pytest.mark.parametrize(("entry", "url"), EXEMPTED)
def test_an_entry_exempts_what_it_stands_for(entry: str, url: str) -> None:
    assert parse_entry(entry).covers(url)


@pytest.mark.parametrize(("entry", "url"), NOT_EXEMPTED)
def test_an_entry_exempts_nothing_else(entry: str, url: str) -> None:
    assert not parse_entry(entry).covers(url)


@pytest.mark.parametrize("entry", UNREADABLE)
def test_an_entry_of_another_form_cannot_be_read(entry: str) -> None:
    assert parse(entry) == ([], [entry])


def test_entries_are_separated_by_commas_and_white_space() -> None:
    exemptions, unreadable = parse(" a.test , b.test,,\tc.test d.test, 10.* ,")
    assert exemptions == [Exemption(domain=f"{name}.test") for name in "abcd"]
    assert unreadable == ["10.*"]
    assert parse("") == parse(" ,") == ([], [])


@given(st.lists(st.text(st.sampled_from("ab1:/.*[]%-@, ") | st.characters(), max_size=12)))
def test_no_value_raises(entries: list[str]) -> None:
    for exemption in parse(",".join(entries))[0]:
        for url in (NAME, "https://[::1]:8443/", "http://10.1.2.3"):
            assert exemption.covers(url) in {True, False}


@given(st.ip_addresses(), st.data())
def test_an_address_is_exempted_by_each_range_around_it(address: object, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, 128 if ":" in str(address) else 32))
    host = f"[{address}]" if ":" in str(address) else str(address)
    assert parse_entry(f"{address}/{length}").covers(f"http://{host}/")
