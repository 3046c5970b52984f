from __future__ import annotations

import copy
import json
import logging
import pickle
from typing import Any

import pydantic
import pytest

from signakit_flags import SignaKitClient, create_instance, parse_sdk_key
from signakit_flags._sdk_key import redact
from signakit_flags.integration import parse_options

SECRET = "S3cr3tRandomPart"


def test_a_key_is_parsed_into_its_parts() -> None:
    key = parse_sdk_key("sk_dev_org1_1234_abcdef")
    assert (key.text, key.environment, key.org_id, key.project_id) == (
        "sk_dev_org1_1234_abcdef",
        "development",
        "org1",
        "1234",
    )


@pytest.mark.parametrize(
    ("text", "environment", "org_id", "project_id"),
    [
        ("sk_prod_org_12_abc", "production", "org", "12"),
        ("sk_dev_org_12_abc_def_ghi", "development", "org", "12"),
        ("sk_dev_org_12_", "development", "org", "12"),
        ("sk_dev_org_12__", "development", "org", "12"),
        ("sk_dev_Org-9_proj-1_x-Y", "development", "Org-9", "proj-1"),
    ],
)
def test_well_formed_keys_are_taken(text: str, environment: str, org_id: str, project_id: str) -> None:
    key = parse_sdk_key(text)
    assert (key.environment, key.org_id, key.project_id) == (environment, org_id, project_id)


@pytest.mark.parametrize("around", [" {}", "{} ", "{}\n", "{}\r\n", "\t{}\t", "\n\n {} \n"])
def test_white_space_around_a_key_is_ignored(around: str) -> None:
    assert parse_sdk_key(around.format("sk_dev_org_12_abc")).text == "sk_dev_org_12_abc"


@pytest.mark.parametrize(
    "text",
    [
        "sk",
        "sk_dev_org_12",
        f"sk_staging_org_12_{SECRET}",
        f"sk_production_org_12_{SECRET}",
        f"sk_DEV_org_12_{SECRET}",
        f"SK_dev_org_12_{SECRET}",
        f"pk_dev_org_12_{SECRET}",
        f"sk__org_12_{SECRET}",
        f"sk_dev__12_{SECRET}",
        f"sk_dev_org__{SECRET}",
        f"sk-dev-org-12-{SECRET}",
        f"_sk_dev_org_12_{SECRET}",
    ],
)
def test_a_malformed_key_is_a_value_error_that_says_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"malformed .* expected sk_\{dev\|prod\}_\{orgId\}_\{projectId\}_\{random\}"):
        parse_sdk_key(text)


@pytest.mark.parametrize("bad", ["/", "..", "%2F", " ", "\n", "\r\nX-Evil: 1", "\0", "ö", "?", "#", ":", "@", "\ud800"])
@pytest.mark.parametrize("part", ["org", "project", "random"])
def test_any_other_character_within_a_part_is_malformed(part: str, bad: str) -> None:
    parts = {"org": "org", "project": "12", "random": "abc"}
    parts[part] = f"a{bad}b"
    with pytest.raises(ValueError, match="malformed"):
        parse_sdk_key(f"sk_dev_{parts['org']}_{parts['project']}_{parts['random']}")


@pytest.mark.parametrize("missing", [None, "", "  ", "\n"])
def test_a_missing_key_is_a_value_error(missing: str | None) -> None:
    with pytest.raises(ValueError, match="SDK key missing"):
        parse_sdk_key(missing)


@pytest.mark.parametrize("wrong", [12, b"sk_dev_org_12_abc", ["sk_dev_org_12_abc"]])
def test_a_key_that_is_no_text_is_a_value_error_that_does_not_show_it(wrong: object) -> None:
    with pytest.raises(ValueError, match=type(wrong).__name__) as raised:
        parse_sdk_key(wrong)  # type: ignore[arg-type]  # what is tested
    assert "abc" not in str(raised.value)


class Wrapped:
    def get_secret_value(self) -> str:
        return f"sk_dev_org_12_{SECRET}"


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        (pydantic.SecretStr(f"sk_dev_org_12_{SECRET}"), "not SecretStr: pass what its .get_secret_value() returns"),
        (Wrapped(), "not Wrapped: pass what its .get_secret_value() returns"),
        (f"sk_dev_org_12_{SECRET}".encode(), "not bytes: pass what its .decode() returns"),
        (bytearray(b"sk_dev"), "not bytearray: pass what its .decode() returns"),
        (12, "not int"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_key_that_is_no_text_says_what_to_pass(key: Any, advice: str) -> None:
    for take in (parse_sdk_key, SignaKitClient):
        with pytest.raises(ValueError) as raised:
            take(key)
        assert str(raised.value) == f"SignaKit SDK key must be a str, {advice}"
    assert advice in parse_options({"sdk_key": key}).problems[0].message


def test_the_text_of_a_key_is_text_whose_representation_is_redacted() -> None:
    plain = f"sk_prod_org_12_{SECRET}"
    text = parse_sdk_key(f" {plain}\n").text
    assert isinstance(text, str)
    assert (text, hash(text), f"{text}", str(text), json.dumps(text)) == (
        plain,
        hash(plain),
        plain,
        plain,
        f'"{plain}"',
    )
    assert type(str(text)) is str
    assert repr([text, {"X-SDK-Key": text}]) == "['sk_prod_***', {'X-SDK-Key': 'sk_prod_***'}]"
    for copied in (pickle.loads(pickle.dumps(text)), copy.deepcopy(text)):
        assert (copied, repr(copied)) == (plain, "'sk_prod_***'")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"sk_dev_org_12_{SECRET}", "sk_dev_***"),
        (f"  sk_prod_org_12_{SECRET}\n", "sk_prod_***"),
        (f"sk_dev_{SECRET}", "sk_dev_***"),
        (SECRET, "***"),
        (f"ghp_{SECRET}", "***"),
        ("", "***"),
    ],
)
def test_redaction_leaves_kind_and_environment_and_hides_a_foreign_secret_whole(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"sk_dev_{SECRET}",
        f"sk_dev_org_{SECRET}",
        f"sk_dev_org_1 2_{SECRET}",
        f"sk_test_org_12_{SECRET}",
        f"sk_dev_org_12_{SECRET}/x",
        f"{SECRET}_sk_dev_org_12",
    ],
)
def test_no_message_ever_shows_what_a_malformed_key_holds(text: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError) as raised:
        SignaKitClient(text)
    with caplog.at_level(logging.DEBUG):
        assert create_instance(text) is None
    assert "no SignaKit client" in caplog.text
    assert SECRET not in f"{raised.value} {raised.value!r} {caplog.text}"


def test_the_representation_of_a_key_is_redacted() -> None:
    key = parse_sdk_key(f"sk_prod_org_12_{SECRET}")
    assert repr(key) == "SdkKey('sk_prod_***')"
    assert SECRET not in f"{key} {key!r} {[key]}"
