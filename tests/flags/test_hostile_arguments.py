"""Arguments of ``create_user_context`` and ``Identity`` that raise whatever is asked of them."""

from __future__ import annotations

from collections import UserDict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signakit_flags import SignaKitClient
from signakit_flags.integration import Identity, Integration, Options
from signakit_flags.testing import override_flags
from support.configs import config, flag, whole
from support.hostile import ERRORS, METHODS, hostile

CONFIG = config(flag("f", allocation=whole("on")))
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

METHOD_SETS = st.one_of(st.just(frozenset(METHODS)), st.frozensets(st.sampled_from(METHODS)))
FAULTS = st.tuples(METHOD_SETS, st.sampled_from(ERRORS))
few = settings(max_examples=150, derandomize=True, database=None, deadline=None)


class StandIn:
    """Passes for text, as a lazy object does, until it is asked for its characters."""

    @property
    def __class__(self) -> Any:  # type: ignore[override]  # on purpose
        return str

    def __str__(self) -> str:
        raise RuntimeError("hostile")


class Framework(Integration[Any]):
    """A framework whose requests are their own User-Agent."""

    def __init__(self, *, ready: bool) -> None:
        super().__init__(Options(visitor_cookie=None, identify=lambda _: Identity("u")))
        self._client = SignaKitClient.offline(CONFIG) if ready else None

    def client(self) -> SignaKitClient | None:
        return self._client

    def user_agent(self, request: Any) -> Any:
        return request

    def cookies(self, request: Any, name: str) -> list[str]:
        return []


# --- $userAgent ------------------------------------------------------------------------------------------------------


@few
@given(fault=FAULTS)
def test_a_user_agent_that_is_not_text_is_absent_whatever_it_raises(fault: Any) -> None:
    client = SignaKitClient.offline(CONFIG)
    user = client.create_user_context("u", {"plan": "pro", "$userAgent": hostile(object, *fault)})
    assert user is not None
    assert (user.is_bot, user.attributes, user.variation("f")) == (False, {"plan": "pro"}, "on")


@few
@given(fault=FAULTS, text=st.sampled_from([BOT, PERSON, ""]))
def test_a_user_agent_of_a_subclass_of_text_is_its_characters_whatever_its_methods_raise(fault: Any, text: str) -> None:
    client = SignaKitClient.offline(CONFIG)
    user = client.create_user_context("u", {"$userAgent": hostile(str, *fault, text)})
    assert user is not None
    assert user.is_bot is (text == BOT)
    assert user.variation("f") == ("off" if text == BOT else "on")


def test_a_user_agent_that_passes_for_text_and_has_none_is_absent() -> None:
    user = SignaKitClient.offline(CONFIG).create_user_context("u", {"$userAgent": StandIn()})
    assert user is not None
    assert (user.is_bot, user.variation("f")) == (False, "on")


@few
@given(fault=FAULTS, ready=st.booleans())
def test_a_request_whose_user_agent_raises_is_served(fault: Any, ready: bool) -> None:
    for user_agent in (hostile(object, *fault), hostile(str, *fault, PERSON), StandIn()):
        flags = Framework(ready=ready).context(user_agent)
        assert flags.variation("f", "none") == ("on" if ready else "none")
        assert flags.user_id == "u"
        assert flags.start_response().cookie is None
        forced = Framework(ready=ready).context(user_agent)
        with override_flags({"f": "forced"}):
            assert forced.variation("f") == "forced"
            assert forced.start_response().vary == ("Cookie",)


@few
@given(fault=FAULTS)
def test_a_detector_whose_answer_raises_is_logged_and_taken_for_no_bot(fault: Any) -> None:
    client = SignaKitClient.offline(CONFIG, bot_detector=lambda _: hostile(object, *fault))
    user = client.create_user_context("u", {"$userAgent": PERSON})
    assert user is not None
    assert user.is_bot is not bool(fault[0] & {"__bool__", "__len__"})


# --- who it is about -------------------------------------------------------------------------------------------------


@few
@given(fault=FAULTS)
def test_a_user_id_that_is_not_text_is_a_type_error_whatever_it_raises(fault: Any) -> None:
    client = SignaKitClient.offline(CONFIG)
    for user_id in (hostile(object, *fault), StandIn()):
        for use in (client.create_user_context, Identity):
            with pytest.raises(TypeError, match="user_id must be a str") as caught:
                use(user_id)
            assert caught.value.__cause__ is None or "hostile" in str(caught.value.__cause__)


@few
@given(fault=FAULTS)
def test_a_user_id_of_a_subclass_of_text_is_its_characters_whatever_its_methods_raise(fault: Any) -> None:
    client = SignaKitClient.offline(CONFIG)
    user = client.create_user_context(hostile(str, *fault, "ada"))
    assert user is not None
    assert (type(user.user_id), user.user_id) == (str, "ada")
    assert Identity(hostile(str, *fault, "ada")).user_id == "ada"


@few
@given(fault=FAULTS)
def test_attributes_that_are_not_a_mapping_are_a_type_error_whatever_they_raise(fault: Any) -> None:
    client = SignaKitClient.offline(CONFIG)
    for use in (client.create_user_context, Identity):
        with pytest.raises(TypeError, match="attributes must be a mapping"):
            use("u", hostile(object, *fault))


def test_a_mapping_that_is_not_a_dict_is_taken() -> None:
    user = SignaKitClient.offline(CONFIG).create_user_context("u", UserDict({"plan": "pro", "$userAgent": BOT}))
    assert user is not None
    assert (user.is_bot, user.attributes) == (True, {"plan": "pro"})
    Identity("u", UserDict({"plan": "pro"}))
