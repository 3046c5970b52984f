"""``Kit`` and ``SignaKitMixin``: one object for one test."""

from __future__ import annotations

import asyncio
import json
import threading
import unittest
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from signakit_flags.testing import Kit, Override, SignaKitMixin, config, flag, override_flags
from support.framework import Flags, Request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CONFIG = config(flag("exp").split(control=100), flag("switch").otherwise("on"))


def asked(key: str = "exp") -> str:
    """Return what a visitor of an application without a client of its own is given."""
    return Flags(None).context(Request()).variation(key, "none")


def test_it_forces_flags_until_it_ends() -> None:
    with Kit(flags={"exp": "a"}) as kit:
        assert asked() == "a"
        kit.set({"exp": "b", "more": True})
        assert (asked(), asked("more")) == ("b", "on")
        kit.set({"more": None})
        assert (asked(), asked("more")) == ("b", "none")
        kit.unset("exp")
        assert (asked(), asked("more")) == ("none", "none")
        kit.set({"exp": Override("c")})
        kit.unset()
        assert asked() == "none"
        kit.set({"exp": "d"})
    assert asked() == "none"


def test_what_is_set_last_counts() -> None:
    with Kit() as kit:
        kit.set({"exp": "kit"})
        with override_flags({"exp": "inner"}):
            assert asked() == "inner"
            kit.set({"exp": "later"})
            assert asked() == "later"
        assert asked() == "later"


def test_what_is_set_before_it_begins_is_forced_from_the_beginning() -> None:
    kit = Kit()
    kit.set({"exp": "a"})
    assert asked() == "none"
    with kit:
        assert asked() == "a"


def test_it_records() -> None:
    with Kit(flags={"exp": "a"}) as kit:
        flags = Flags(None).context(Request(user="ada"))
        flags.decide("exp")
        flags.track("purchase")
    kit.assert_exposed("exp", user="ada", variation="a")
    kit.assert_tracked("purchase", decisions={"exp": "a"})
    assert repr(kit) == "<Kit 1 exposures, 1 conversions, exp='a'>"


def test_other_threads_see_it_unless_it_is_for_a_task() -> None:
    def in_a_thread() -> str:
        answers: list[str] = []
        thread = threading.Thread(target=lambda: answers.append(asked()))
        thread.start()
        thread.join()
        return answers[0]

    with Kit(flags={"exp": "a"}):
        assert in_a_thread() == "a"
    with Kit(flags={"exp": "a"}, scope="task"):
        assert (asked(), in_a_thread()) == ("a", "none")


def test_without_a_config_its_client_knows_no_flags_and_serves_nobody() -> None:
    own = Flags(Kit(CONFIG).client)
    with Kit() as kit:
        assert kit.client.flag_keys() == []
        assert kit.user("u").decide("exp") is None
        assert own.context(Request()).variation("exp") == "control"


def test_with_a_config_its_client_serves_every_request(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_text(json.dumps(CONFIG))
    given: Mapping[str, Any] | bytes | Path
    for given in (CONFIG, json.dumps(CONFIG).encode(), path):
        with Kit(given) as kit:
            assert kit.client is kit.client
            assert (asked(), asked("switch")) == ("control", "on")
            assert kit.user("u", {"plan": "pro"}).attributes == {"plan": "pro"}
            kit.set({"exp": "forced"})
            assert (asked(), kit.user("u").variation("exp")) == ("forced", "forced")
    assert asked() == "none"


def test_a_config_that_cannot_be_read_is_told_where_it_is_asked(tmp_path: Path) -> None:
    with Kit(tmp_path / "none.json") as kit, pytest.raises(FileNotFoundError):
        _ = kit.client
    with Kit(b"{") as kit, pytest.raises(ValueError, match="JSON"):
        _ = kit.client


# --- unittest --------------------------------------------------------------------------------------------------------


def run_case(case: type[unittest.TestCase]) -> None:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun > 0
    assert result.failures + result.errors == [], result.failures + result.errors


def test_the_mixin_gives_each_test_a_kit_of_its_own() -> None:
    kits: list[Kit] = []

    class Case(SignaKitMixin, unittest.TestCase):
        signakit_flags: ClassVar[Mapping[str, Any]] = {"exp": "a"}
        signakit_config = CONFIG

        def setUp(self) -> None:  # without super(), which is easily forgotten
            assert asked() == "a"

        def tearDown(self) -> None:
            kits.append(self.signakit)

        def test_one(self) -> None:
            self.signakit.set({"exp": "b"})
            assert (asked(), asked("switch")) == ("b", "on")
            self.signakit.assert_exposed("exp", variation="b")

        def test_two(self) -> None:
            self.signakit.assert_not_exposed(variation="b")
            assert asked() == "a"

    run_case(Case)
    assert len(kits) == 2
    assert kits[0] is not kits[1]
    assert asked() == "none"
    Case("test_one").debug()
    assert asked() == "none"


def test_the_mixin_behind_a_test_case_is_refused() -> None:
    class Case(unittest.TestCase):
        pass

    with pytest.raises(TypeError, match="Wrong: SignaKitMixin is to be listed before the test case"):

        class Wrong(Case, SignaKitMixin):
            pass


def test_the_mixin_serves_async_test_cases() -> None:
    class Case(SignaKitMixin, unittest.IsolatedAsyncioTestCase):
        signakit_flags: ClassVar[Mapping[str, Any]] = {"exp": "a"}

        async def test_it(self) -> None:
            assert [asked(), await asyncio.to_thread(asked)] == ["a", "a"]
            self.signakit.assert_exposed("exp")

    run_case(Case)
