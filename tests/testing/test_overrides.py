"""``override_flags``: what everybody gets, for how long, and who sees it."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
import unittest
from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags import SignaKitClient, SignaKitUserContext, _hook
from signakit_flags.testing import Override, config, flag, override_flags, recorded
from support.configs import SDK_KEY
from support.framework import CRAWLER, AwaitingFlags, Flags, Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from signakit_flags.integration import Identity
    from support.server import FlagServer

CONFIG = config(
    flag("exp").variables(button="Buy", size=2).variation("treatment", button="Now").split(control=100),
    flag("switch").otherwise("on"),
    flag("colour").split(red=50, blue=50),
)


def ready() -> SignaKitClient:
    return SignaKitClient.offline(CONFIG)


def never_ready() -> SignaKitClient:
    return SignaKitClient(SDK_KEY, cdn_url="http://127.0.0.1:1", events_url="http://127.0.0.1:1")


def of_core(client: SignaKitClient) -> SignaKitUserContext:
    context = client.create_user_context("u")
    assert context is not None
    return context


def nobody(_request: Request) -> Identity | None:
    return None


WHO: dict[str, Callable[[], SignaKitUserContext]] = {
    "a user": lambda: of_core(ready()),
    "a user of a client without a config": lambda: of_core(never_ready()),
    "a visitor": lambda: Flags(ready()).context(Request()),
    "an account": lambda: Flags(ready()).context(Request(user="ada")),
    "a visitor of a client without a config": lambda: Flags(never_ready()).context(Request()),
    "a visitor without a client": lambda: Flags(None).context(Request()),
    "nobody": lambda: Flags(ready(), visitor_cookie=None).context(Request()),
    "nobody without a client": lambda: Flags(None).user(None),
    "a bot": lambda: Flags(ready()).context(Request(user_agent=CRAWLER)),
}
every = pytest.mark.parametrize("who", WHO.values(), ids=WHO)


# --- every question gives the same answer ----------------------------------------------------------------------------


@every
def test_every_question_gives_the_forced_variation(who: Callable[[], SignaKitUserContext]) -> None:
    with override_flags({"exp": Override("treatment", variables={"size": 9}), "new": "blue"}):
        user = who()
        decision = user.decide("exp")
        assert decision is not None
        assert (decision.flag_key, decision.variation_key, decision.enabled) == ("exp", "treatment", True)
        assert (decision.rule_key, decision.rule_type) == (None, None)
        assert user.decide("exp") is decision, "as often as it is asked"
        assert user.is_enabled("exp") is True
        assert user.variation("exp", "red") == "treatment"
        assert user.variable("exp", "size", 1) == 9
        assert user.variation("new") == "blue"
        everything = user.decide_all()
        assert everything["exp"] == decision
        assert everything["new"].variation_key == "blue"
        explanation = user.explain("exp")
        assert explanation.decision == decision
        assert str(explanation).endswith("yes override: forced by a test: treatment")


@every
def test_a_flag_that_is_taken_away_gives_the_defaults(who: Callable[[], SignaKitUserContext]) -> None:
    with override_flags({"switch": None}):
        user = who()
        assert user.decide("switch") is None
        assert user.is_enabled("switch", default=True) is True
        assert user.variation("switch", "red") == "red"
        assert user.variable("switch", "size", 7) == 7
        assert "switch" not in user.decide_all()
        assert user.explain("switch").decision is None
        assert "taken away by a test" in str(user.explain("switch"))


@every
def test_off_is_a_decision(who: Callable[[], SignaKitUserContext]) -> None:
    for off in ("off", False):
        with override_flags({"switch": off}):
            decision = who().decide("switch")
            assert decision is not None
            assert (decision.variation_key, decision.enabled) == ("off", False)


def test_the_order_of_all_flags_is_that_of_the_config_and_then_of_the_test() -> None:
    with override_flags({"new": True, "switch": False, "colour": None}):
        assert list(of_core(ready()).decide_all()) == ["exp", "switch", "new"]


def test_flags_that_are_not_named_are_decided_as_ever() -> None:
    with override_flags({"exp": "treatment"}):
        user = of_core(ready())
        decision = user.decide("switch")
        assert decision is not None
        assert decision.variation_key == "on"
        assert user.decide("ghost") is None
        assert user.explain("switch").steps[0].kind == "flag"
        with pytest.raises(TypeError, match="flag_key must be a str"):
            user.decide(7)  # type: ignore[arg-type]  # what is tested


def test_on_is_the_variation_on_or_the_first_that_is_not_off() -> None:
    def on(key: str, client: SignaKitClient) -> str:
        with override_flags({key: True}):
            return of_core(client).variation(key)

    assert on("switch", ready()) == "on"
    assert on("exp", ready()) == "treatment", "the first of its list that is not off"
    assert on("exp", never_ready()) == "on"
    assert on("ghost", ready()) == "on"


# --- variables -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variation", "variables", "expected"),
    [
        ("treatment", {}, {"button": "Now", "size": 2}),
        ("control", {}, {"button": "Buy", "size": 2}),
        ("ghost", {}, {"button": "Buy", "size": 2}),
        ("treatment", {"size": 3}, {"button": "Now", "size": 3}),
        ("treatment", {"extra": {"a": [1]}}, {"button": "Now", "size": 2, "extra": {"a": [1]}}),
    ],
)
def test_variables_that_are_not_forced_have_their_values_of_the_config(
    variation: str, variables: dict[str, Any], expected: dict[str, Any]
) -> None:
    for user in (of_core(ready()), Flags(ready()).context(Request())):
        with override_flags({"exp": Override(variation, variables=variables)}):
            decision = user.decide("exp")
            assert decision is not None
            assert decision.variables == expected
            with pytest.raises(TypeError, match="read-only"):
                decision.variables["size"] = 1


def test_without_a_config_there_are_the_forced_variables_alone() -> None:
    with override_flags({"exp": Override("treatment", variables={"size": 3})}):
        user = of_core(never_ready())
        assert user.variable("exp", "size", 1) == 3
        assert user.variable("exp", "button", "Buy") == "Buy"


def test_a_variation_that_the_flag_does_not_have_is_given_and_told(caplog: pytest.LogCaptureFixture) -> None:
    with override_flags({"colour": "gren"}), caplog.at_level(logging.WARNING, "signakit_flags"):
        client = ready()
        assert [of_core(client).variation("colour") for _ in range(3)] == ["gren"] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "a test forces 'colour' to 'gren', and its variations are 'off', 'red', 'blue'"
    ]


# --- for how long ----------------------------------------------------------------------------------------------------


def test_a_context_that_has_decided_before_is_forced_and_let_go() -> None:
    for user in (of_core(ready()), Flags(ready()).context(Request())):
        assert (user.variation("exp"), user.decide_all()["exp"].variation_key) == ("control", "control")
        with override_flags({"exp": "treatment"}):
            assert (user.variation("exp"), user.decide_all()["exp"].variation_key) == ("treatment", "treatment")
        assert (user.variation("exp"), user.decide_all()["exp"].variation_key) == ("control", "control")


def test_a_context_that_was_forced_first_decides_for_itself_afterwards() -> None:
    for user in (of_core(ready()), Flags(ready()).context(Request())):
        with override_flags({"exp": "treatment"}):
            user.decide_all()
        assert user.variation("exp") == "control"
        assert user.decide_all()["exp"].rule_key == "exp-1"


def test_nothing_is_left_when_it_ends_by_an_exception() -> None:
    with pytest.raises(LookupError), override_flags({"exp": "treatment"}):
        raise LookupError
    assert of_core(ready()).variation("exp") == "control"
    assert _hook.active() is None


def test_the_inner_one_counts_for_the_flags_that_it_names() -> None:
    user = of_core(ready())
    with override_flags({"exp": "a", "colour": "red"}):
        with override_flags({"exp": "b"}):
            with override_flags({"exp": None}):
                assert user.decide("exp") is None
            assert (user.variation("exp"), user.variation("colour")) == ("b", "red")
        assert user.variation("exp") == "a"
    assert user.variation("exp") == "control"


def test_the_inner_one_counts_whichever_scope_the_two_have() -> None:
    user = of_core(ready())
    for outer, inner in (("process", "task"), ("task", "process")):
        with override_flags({"exp": "a"}, scope=outer):
            with override_flags({"exp": "b"}, scope=inner):
                assert user.variation("exp") == "b"
            assert user.variation("exp") == "a"


def test_one_object_may_be_entered_again_inside_itself() -> None:
    user = of_core(ready())
    forced = override_flags({"exp": "treatment"})
    with forced:
        with forced:
            assert user.variation("exp") == "treatment"
        assert user.variation("exp") == "treatment"
    assert user.variation("exp") == "control"


def test_a_client_that_becomes_ready_meanwhile_works_on(server: FlagServer) -> None:
    client = SignaKitClient(SDK_KEY, polling_interval=0, **server.urls)
    with override_flags({"exp": "forced"}):
        user = of_core(client)
        assert user.decide("switch") is None
        assert client.on_ready_sync().success
        assert (user.variation("exp"), user.variation("switch")) == ("forced", "on")
    assert user.variation("exp") in {"control", "treatment"}
    client.close()


def test_without_it_a_client_without_a_config_makes_no_context() -> None:
    client = never_ready()
    assert client.create_user_context("u") is None
    with override_flags({}):
        assert client.create_user_context("u") is not None
    assert client.create_user_context("u") is None


# --- who sees it -----------------------------------------------------------------------------------------------------


def seen() -> str:
    return of_core(ready()).variation("exp")


def in_a_thread(function: Callable[[], str]) -> str:
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(function()))
    thread.start()
    thread.join()
    return answers[0]


def test_another_thread_sees_it_by_the_scope_of_the_process_alone() -> None:
    with override_flags({"exp": "treatment"}):
        assert in_a_thread(seen) == "control"
    with override_flags({"exp": "treatment"}, scope="process"):
        assert in_a_thread(seen) == "treatment"
    assert in_a_thread(seen) == "control"


def test_tasks_and_threads_that_are_started_inside_see_it() -> None:
    async def asked() -> str:
        await asyncio.sleep(0)
        return seen()

    async def main() -> list[str]:
        async with override_flags({"exp": "treatment"}):
            return [await asked(), await asyncio.create_task(asked()), await asyncio.to_thread(seen)]

    assert asyncio.run(main()) == ["treatment"] * 3


def test_tests_that_run_at_the_same_time_do_not_see_each_others() -> None:
    async def main() -> None:
        both = asyncio.Barrier(3)

        async def forced(variation: str) -> None:
            with override_flags({"exp": variation}):
                await both.wait()
                assert seen() == variation
                await both.wait()
            await both.wait()
            assert seen() == "control"

        async def unforced() -> None:
            await both.wait()
            assert seen() == "control"
            await both.wait()
            await both.wait()

        await asyncio.gather(forced("a"), forced("b"), unforced())

    asyncio.run(main())


def test_one_object_in_two_tasks_ends_what_each_began() -> None:
    shared = override_flags({"exp": "treatment"})

    async def main() -> None:
        entered, leave = asyncio.Event(), asyncio.Event()

        async def longer() -> None:
            with shared:
                entered.set()
                await leave.wait()
                assert seen() == "treatment"
            assert seen() == "control"

        task = asyncio.create_task(longer())
        await entered.wait()
        with shared:
            leave.set()
            await task
            assert seen() == "treatment", "the first one to begin was the first one to end"
        assert seen() == "control"

    asyncio.run(main())


def test_a_task_that_outlives_it_does_not_go_on_with_it() -> None:
    async def main() -> None:
        over = asyncio.Event()

        async def outlives() -> str:
            await over.wait()
            return seen()

        with override_flags({"exp": "treatment"}):
            task = asyncio.create_task(outlives())
        over.set()
        assert await task == "control"

    asyncio.run(main())


def test_it_may_end_in_another_context_than_it_began_in() -> None:
    """As in the fixtures of async frameworks, whose two halves may run in two tasks."""
    forced = override_flags({"exp": "treatment"})
    began = contextvars.copy_context()
    began.run(forced.__enter__)
    assert began.run(seen) == "treatment"
    forced.__exit__(None, None, None)
    assert began.run(seen) == "control"


def test_an_identity_that_has_to_be_awaited_is_awaited_here_too() -> None:
    async def main() -> None:
        user = AwaitingFlags(ready()).context(Request(user="ada"))
        with override_flags({"exp": "treatment"}):
            with pytest.raises(RuntimeError, match="aflags"):
                user.decide("exp")
            await user.resolve()
            assert user.variation("exp") == "treatment"

    asyncio.run(main())


# --- as a decorator --------------------------------------------------------------------------------------------------


def test_it_decorates_functions_which_keep_their_signature() -> None:
    @override_flags({"exp": "treatment"})
    def function(value: int, *, more: int = 1) -> tuple[int, str]:
        """Say what is seen."""
        return value + more, seen()

    assert [function(1), function(1, more=2)] == [(2, "treatment"), (3, "treatment")]
    assert list(inspect.signature(function).parameters) == ["value", "more"]
    assert function.__doc__ == "Say what is seen."
    assert seen() == "control"


def test_it_decorates_coroutine_functions() -> None:
    @override_flags({"exp": "treatment"})
    async def function() -> str:
        await asyncio.sleep(0)
        return seen()

    async def main() -> None:
        assert await asyncio.gather(function(), function()) == ["treatment"] * 2
        assert seen() == "control"

    assert inspect.iscoroutinefunction(function)
    asyncio.run(main())


def test_it_decorates_generators_and_holds_while_their_body_runs() -> None:
    inside: list[str] = []

    @override_flags({"exp": "treatment"})
    def generator() -> Iterator[str]:
        try:
            inside.append((yield seen()))  # type: ignore[arg-type]  # what is sent
            try:
                yield seen()
            except LookupError:
                yield f"caught {seen()}"
        finally:
            inside.append(seen())

    assert inspect.isgeneratorfunction(generator)
    running = generator()
    assert (next(running), seen()) == ("treatment", "control")
    assert running.send("sent") == "treatment"  # type: ignore[attr-defined]  # a generator
    assert running.throw(LookupError()) == "caught treatment"  # type: ignore[attr-defined]  # as above
    assert seen() == "control"
    running.close()  # type: ignore[attr-defined]  # as above
    assert inside == ["sent", "treatment"]
    assert list(generator()) == ["treatment", "treatment"]


def test_it_decorates_async_generators_and_holds_while_their_body_runs() -> None:
    inside: list[str] = []

    @override_flags({"exp": "treatment"})
    async def generator() -> AsyncIterator[str]:
        try:
            await asyncio.sleep(0)
            inside.append((yield seen()))  # type: ignore[arg-type]  # what is sent
            try:
                yield seen()
            except LookupError:
                yield f"caught {seen()}"
        finally:
            await asyncio.sleep(0)
            inside.append(seen())

    async def main() -> None:
        running: Any = generator()
        assert (await anext(running), seen()) == ("treatment", "control")
        assert await running.asend("sent") == "treatment"
        assert await running.athrow(LookupError()) == "caught treatment"
        assert seen() == "control"
        await running.aclose()
        assert inside == ["sent", "treatment"]
        assert [item async for item in generator()] == ["treatment", "treatment"]

    assert inspect.isasyncgenfunction(generator)
    asyncio.run(main())


def test_a_generator_that_is_never_begun_leaves_nothing() -> None:
    @override_flags({"exp": "treatment"})
    def generator() -> Iterator[int]:
        yield 1

    generator()
    assert _hook.active() is None


def run_case(case: type[unittest.TestCase]) -> unittest.TestResult:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun > 0
    assert result.failures + result.errors == [], result.failures + result.errors
    return result


def test_it_decorates_test_cases_with_their_set_up_and_clean_ups() -> None:
    said: list[str] = []

    @override_flags({"exp": "treatment"})
    class Case(unittest.TestCase):
        def setUp(self) -> None:
            said.append(seen())
            self.addCleanup(lambda: said.append(seen()))

        def test_it(self) -> None:
            said.append(seen())

        @override_flags({"exp": "other"})
        def test_more(self) -> None:
            assert seen() == "other"

        def helper(self) -> str:
            return seen()

    run_case(Case)
    assert said == ["treatment"] * 5
    assert seen() == "control"


def test_it_decorates_async_test_cases() -> None:
    said: list[str] = []

    @override_flags({"exp": "treatment"})
    class Case(unittest.IsolatedAsyncioTestCase):
        async def asyncSetUp(self) -> None:
            said.append(seen())

        async def test_it(self) -> None:
            said.append(await asyncio.to_thread(seen))

    run_case(Case)
    assert said == ["treatment"] * 2


def test_of_two_classes_the_one_that_inherits_counts() -> None:
    @override_flags({"exp": "base", "switch": False})
    class Base:
        def test_it(self) -> tuple[str, bool]:
            return seen(), of_core(ready()).is_enabled("switch")

    @override_flags({"exp": "inherits"})
    class Inherits(Base):
        pass

    @override_flags({"exp": "last"})
    class Last(Inherits):
        @classmethod
        def test_own(cls) -> str:
            return seen()

    assert Base().test_it() == ("base", False)
    assert Inherits().test_it() == ("inherits", False)
    assert Last().test_it() == ("last", False)
    assert Last().test_own() == "last"


def test_of_two_test_cases_the_one_that_inherits_counts() -> None:
    said: list[str] = []

    @override_flags({"exp": "base"})
    class Base(unittest.TestCase):
        def setUp(self) -> None:
            said.append(seen())

        def test_it(self) -> None:
            said.append(seen())

    @override_flags({"exp": "inherits"})
    class Inherits(Base):
        pass

    run_case(Base)
    run_case(Inherits)
    assert said == ["base"] * 2 + ["inherits"] * 2


def test_it_decorates_static_methods_and_class_methods_from_outside() -> None:
    class Tests:
        @override_flags({"exp": "treatment"})
        @staticmethod
        def static(word: str) -> str:
            return word + seen()

        @override_flags({"exp": "treatment"})
        @classmethod
        def of_class(cls) -> str:
            return cls.__name__ + seen()

    assert (Tests().static("a "), Tests.static("a ")) == ("a treatment", "a treatment")
    assert (Tests().of_class(), Tests.of_class()) == ("Teststreatment", "Teststreatment")


def test_it_holds_where_a_plain_function_gives_a_coroutine() -> None:
    async def later() -> str:
        await asyncio.sleep(0)
        return seen()

    class Callable:
        async def __call__(self) -> str:
            return await later()

    assert asyncio.run(override_flags({"exp": "treatment"})(lambda: later())()) == "treatment"
    assert asyncio.run(override_flags({"exp": "treatment"})(Callable())()) == "treatment"


def test_it_decorates_plain_classes_of_tests() -> None:
    class Base:
        def test_inherited(self) -> str:
            return seen()

    @override_flags({"exp": "treatment"})
    class TestPlain(Base):
        test_data = ("not", "a", "function")
        at_setup = ""

        def setup_method(self) -> None:
            self.at_setup = seen()

        def test_it(self) -> str:
            return seen()

        @staticmethod
        def test_static() -> str:
            return seen()

        @classmethod
        def test_class(cls) -> str:
            return seen()

        async def test_async(self) -> str:
            return seen()

        def helper(self) -> str:
            return seen()

    tests = TestPlain()
    tests.setup_method()
    assert tests.at_setup == "treatment"
    assert [tests.test_it(), tests.test_static(), tests.test_class(), tests.test_inherited()] == ["treatment"] * 4
    assert asyncio.run(tests.test_async()) == "treatment"
    assert tests.helper() == "control"
    assert Base().test_inherited() == "control", "the base class is another one's"


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["exp"], "flags must be a mapping"),
        ({7: "on"}, "a flag's key must be a str, not int"),
        ({"exp": 7}, "'exp' must be forced to a variation, True, False, an Override or None, not to a int"),
        ({"exp": {"variation": "on"}}, "not to a dict"),
    ],
)
def test_what_cannot_be_forced_is_refused_at_once(flags: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        override_flags(flags)


def test_other_mistakes_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match='scope must be "task" or "process", not \'thread\''):
        override_flags({}, scope="thread")
    with pytest.raises(TypeError, match="a variation must be a str or a bool"):
        Override(None)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(TypeError, match="variables must be a mapping"):
        Override("on", variables=["size"])  # type: ignore[arg-type]  # as above
    with pytest.raises(TypeError, match="can be decorated, not a int"):
        override_flags({})(7)
    with pytest.raises(TypeError, match="Empty has no tests"):

        @override_flags({})
        class Empty:
            pass


def test_its_repr_says_what_is_forced() -> None:
    assert repr(override_flags({"a": "b", "c": None, "d": True})) == "override_flags(a='b', c=None, d=True)"


# --- nothing of it reaches the service -------------------------------------------------------------------------------


def sent(server: FlagServer) -> list[tuple[str, str, dict[str, str]]]:
    return [(event["userId"], event["eventKey"], event.get("decisions", {})) for event in server.events]


def test_a_forced_variation_is_never_sent(server: FlagServer) -> None:
    client = SignaKitClient(SDK_KEY, polling_interval=0, **server.urls)
    client.on_ready_sync()
    user = of_core(client)
    with override_flags({"exp": "forced", "new": True}):
        user.decide_all()
        user.track("purchase", 3)
    user.track("later")
    assert client.flush_sync()
    switch = {"tgt": "on", "switch": "on"}
    assert sent(server) == [("u", "$exposure", {"switch": "on"}), ("u", "purchase", switch), ("u", "later", switch)]
    user.decide("exp")
    client.close()
    assert [event[1:] for event in sent(server)[3:]] == [("$exposure", {"exp": user.variation("exp")})]


def test_a_decision_made_before_is_not_told_while_another_one_is_forced(server: FlagServer) -> None:
    client = SignaKitClient(SDK_KEY, polling_interval=0, **server.urls)
    client.on_ready_sync()
    user = of_core(client)
    user.decide("switch")
    with override_flags({"switch": "off"}):
        user.track("inside")
    user.track("outside")
    client.close()
    assert sent(server)[1:] == [("u", "inside", {}), ("u", "outside", {"switch": "on"})]


def test_what_was_forced_before_is_not_told_with_a_later_conversion() -> None:
    user = of_core(ready())
    with override_flags({"exp": "forced"}):
        user.decide("exp")
        with override_flags({"exp": "other"}), recorded() as inner:
            user.track("purchase")
    with override_flags({"new": True}), recorded() as later:
        user.track("purchase")
        user.decide("exp")
        user.track("again")
    assert inner.conversions[0].decisions == {}
    assert [event.decisions for event in later.conversions] == [{}, {"exp": "control"}]


class Unstarted(Flags):
    """A framework that has no client before it has started, and says so."""

    def client(self) -> SignaKitClient | None:
        raise RuntimeError("not started")

    def ready_client(self) -> SignaKitClient | None:
        return None


def test_what_is_forced_does_not_ask_for_the_applications_client() -> None:
    with override_flags({"exp": "treatment", "gone": None}), recorded() as events:
        user = Unstarted(None).context(Request())
        assert (user.variation("exp"), user.decide("gone")) == ("treatment", None)
        assert user.decide_all().keys() == {"exp"}
        assert user.explain("exp").decision == user.decide("exp")
        user.track("purchase")
        assert user.start_response().cookie is not None
        with pytest.raises(RuntimeError, match="not started"):
            user.decide("switch")
    events.assert_tracked("purchase", decisions={"exp": "treatment"})


def test_an_offline_client_that_records_has_it_once() -> None:
    client = SignaKitClient.offline(CONFIG, record_events=True)
    user = of_core(client)
    with override_flags({"exp": "forced"}), recorded() as events:
        user.decide("exp")
        user.decide("exp")
        user.track("purchase")
    assert [(event["eventKey"], event["decisions"]) for event in client.recorded_events] == [
        ("$exposure", {"exp": "forced"}),
        ("purchase", {"exp": "forced"}),
    ]
    assert len(events.events) == 2
