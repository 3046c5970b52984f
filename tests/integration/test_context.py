"""The flags of one request, in a framework that exists in these tests alone."""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags import SignaKitClient, SignaKitUserContext
from signakit_flags.integration import (
    Identity,
    IdentityNotAwaited,
    LazyUserContext,
    ResponseStart,
    admits,
    is_visitor_id,
)
from support.attribute_changes import ATTRIBUTES, assert_no_change_is_swallowed
from support.framework import (
    CONFIG,
    VISITOR,
    AwaitingFlags,
    Flags,
    Request,
    assert_off,
    known,
    known_later,
    raises,
    unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable


# --- free until asked ------------------------------------------------------------------------------------------------


def test_a_request_that_asks_nothing_looks_at_nothing() -> None:
    class Untouchable:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    flags = Flags(None, identify=raises)
    context = flags.context(Untouchable())  # type: ignore[arg-type]
    assert not context.touched
    assert context.start_response(secure=True) == ResponseStart(None, ())
    assert repr(context) == "LazyUserContext(not asked yet)"


def test_it_is_a_user_context(flags: Callable[..., Flags]) -> None:
    assert isinstance(flags().context(Request()), SignaKitUserContext)


def test_what_it_shares_with_the_core_stands_on_its_own_decisions() -> None:
    assert SignaKitUserContext.__init__ is object.__init__, "no state is set up that a request's context would skip"
    assert SignaKitUserContext.__slots__ == ("_forced",)
    assert set(vars(LazyUserContext)) >= SignaKitUserContext.__abstractmethods__
    inherited = {name for name in vars(SignaKitUserContext) if name[0] != "_"} - set(vars(LazyUserContext))
    assert inherited == {"decide_all", "explain", "is_enabled", "variable", "variation"}


def test_the_questions_have_the_signatures_of_the_core() -> None:
    for name, value in vars(LazyUserContext).items():
        core = getattr(SignaKitUserContext, name, None)
        if not name.startswith("_") and inspect.isfunction(core):
            ours, theirs = inspect.signature(value), inspect.signature(core)
            assert ours.parameters == theirs.parameters, name


def test_the_answers_are_those_of_the_core(client: SignaKitClient, flags: Callable[..., Flags]) -> None:
    lazy = flags(identify=known).context(Request())
    core = client.create_user_context("identified", {"plan": "pro"})
    assert core is not None
    assert (lazy.user_id, lazy.attributes, lazy.is_bot) == (core.user_id, core.attributes, core.is_bot)
    for key in ("exp", "tgt", "switch", "none"):
        assert lazy.decide(key) == core.decide(key)
        assert lazy.is_enabled(key, True) == core.is_enabled(key, True)
        assert lazy.variation(key, "x") == core.variation(key, "x")
        assert lazy.variable(key, "v", 1) == core.variable(key, "v", 1)
        assert lazy.explain(key) == core.explain(key)
    assert lazy.decide_all() == core.decide_all()
    assert repr(lazy) == "LazyUserContext('identified')"


@pytest.mark.parametrize("ready", [True, False])
def test_no_change_of_a_requests_context_is_swallowed(client: SignaKitClient, ready: bool) -> None:
    user = Identity("u", ATTRIBUTES)
    integration = Flags(client if ready else None, identify=lambda _request: user)
    for context in (integration.context(Request()), integration.user(user)):
        assert_no_change_is_swallowed(context)
        assert (context.decide("exp") is not None) is ready
        assert_no_change_is_swallowed(context)


# --- async -----------------------------------------------------------------------------------------------------------


def test_an_async_identify_is_awaited(flags: Callable[..., Flags]) -> None:
    async def view() -> str:
        context = await flags(identify=known_later, identify_is_async=True).context(Request()).resolve()
        return context.user_id

    assert asyncio.run(view()) == "identified"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (Flags, {"identify": known_later, "identify_is_async": True}),
        (Flags, {"identify": lambda request: known_later(request)}),
        (AwaitingFlags, {}),
        (AwaitingFlags, {"identify": unknown}),
    ],
)
def test_on_a_loop_flags_before_awaiting_raise_and_never_answer_as_anonymous(
    flags: Callable[..., Flags], kind: type[Flags], options: dict[str, Any]
) -> None:
    async def view() -> str:
        context = flags(kind, **options).context(Request(cookies=VISITOR, user="account"))
        for question in (context.decide, context.is_enabled, context.explain, context.track):
            with pytest.raises(IdentityNotAwaited, match=r"await request\.aflags\(\)"):
                question("exp")
        with pytest.raises(RuntimeError):
            await context.track_event("e")
        assert not context.touched
        await context.resolve()
        assert context.decide("exp") is not None
        return context.user_id

    assert asyncio.run(view()) in {"identified", "account"}


def test_who_asks_is_found_out_once(flags: Callable[..., Flags]) -> None:
    calls: list[Request] = []

    async def counting(request: Request) -> Identity | None:
        calls.append(request)
        return await known_later(request)

    async def view() -> None:
        context = flags(identify=counting, identify_is_async=True).context(Request())
        for _ in range(3):
            assert (await context.resolve()) is context
            assert context.user_id == "identified"

    asyncio.run(view())
    assert len(calls) == 1


def test_sync_code_waits_for_an_async_identify_where_the_framework_can(flags: Callable[..., Flags]) -> None:
    bound = flags(AwaitingFlags, identify=known_later, identify_is_async=True)
    assert bound.context(Request()).user_id == "identified"


def test_sync_code_raises_where_the_framework_cannot(flags: Callable[..., Flags]) -> None:
    bound = flags(identify=known_later, identify_is_async=True)
    with pytest.raises(IdentityNotAwaited):
        _ = bound.context(Request()).user_id


def test_a_cancelled_request_is_nobodys_fault(flags: Callable[..., Flags], caplog: pytest.LogCaptureFixture) -> None:
    async def never(_request: Request) -> Identity | None:
        await asyncio.Event().wait()
        return None

    async def view() -> None:
        context = flags(identify=never, identify_is_async=True).context(Request())
        task = asyncio.create_task(context.resolve())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not context.touched

    asyncio.run(view())
    assert caplog.records == []


def test_two_tasks_that_ask_at_once_are_the_same_visitor(flags: Callable[..., Flags]) -> None:
    async def unknown_later(_request: Request) -> Identity | None:
        await asyncio.sleep(0)
        return None

    async def view() -> set[str]:
        context = flags(identify=unknown_later, identify_is_async=True).context(Request())

        async def ask() -> str:
            return (await context.resolve()).user_id

        return set(await asyncio.gather(*(ask() for _ in range(10))))

    assert len(asyncio.run(view())) == 1


def test_threads_that_ask_at_once_are_the_same_visitor(flags: Callable[..., Flags]) -> None:
    bound = flags()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(50):
            context = bound.context(Request())
            ids = set(pool.map(lambda _n, asked=context: (asked.decide("exp"), asked.user_id)[1], range(8)))
            assert len(ids) == 1


# --- the client ------------------------------------------------------------------------------------------------------


def test_not_ready_is_none_and_defaults_without_a_cookie_and_works_later() -> None:
    flags = Flags(SignaKitClient("sk_dev_org_1_x"))
    context = flags.context(Request())
    assert_off(context)
    assert is_visitor_id(context.user_id)
    assert "no config yet" in str(context.explain("exp"))
    flags.made = SignaKitClient.offline(CONFIG)
    assert context.is_enabled("switch"), "the same request, once there is a config"
    assert context.start_response().cookie is not None


def test_an_id_that_no_cookie_brings_back_is_not_used_after_the_response(client: SignaKitClient) -> None:
    flags = Flags(SignaKitClient("sk_dev_org_1_x"))
    context = flags.context(Request())
    assert_off(context)
    assert context.start_response() == ResponseStart(None, ("Cookie",))
    flags.made = client
    assert_off(context)
    assert client.recorded_events == []


def test_without_a_client_flags_are_off() -> None:
    context = Flags(None).context(Request(user="account"))
    assert_off(context)
    assert "flags are off" in str(context.explain("exp"))
    assert context.start_response() == ResponseStart(None, ("Cookie",))


def test_one_request_sees_one_config(client: SignaKitClient) -> None:
    flags = Flags(client)
    context = flags.context(Request())
    assert context.is_enabled("switch")
    flags.made = SignaKitClient.offline({"flags": []})
    assert context.is_enabled("tgt")


# --- after the response has started ----------------------------------------------------------------------------------


def test_a_first_question_after_the_response_started_makes_no_visitor(
    client: SignaKitClient, flags: Callable[..., Flags], caplog: pytest.LogCaptureFixture
) -> None:
    bound = flags()
    for _ in range(2):
        context = bound.context(Request())
        assert context.start_response() == ResponseStart()
        assert_off(context)
    assert len([record for record in caplog.records if "after the response has started" in record.getMessage()]) == 1
    assert client.recorded_events == []


def test_whom_we_know_already_can_ask_after_the_response_started(flags: Callable[..., Flags]) -> None:
    for request in (Request(cookies=VISITOR), Request(user="account")):
        context = flags().context(request)
        context.start_response()
        assert context.is_enabled("switch")


def test_whom_we_met_before_the_response_can_ask_after_it(flags: Callable[..., Flags]) -> None:
    async def view() -> None:
        context = await flags().context(Request()).resolve()
        assert context.user_id
        assert context.start_response().cookie is not None
        assert context.is_enabled("switch")

    asyncio.run(view())


def test_to_resolve_is_no_question(client: SignaKitClient, flags: Callable[..., Flags]) -> None:
    async def declared(request: Request) -> LazyUserContext:
        return await flags().context(request).resolve()

    for request in (Request(), Request(cookies=VISITOR), Request(user="account")):
        context = asyncio.run(declared(request))
        assert not context.touched
        assert context.start_response().cookie is None
    assert client.recorded_events == []


def test_a_new_visitor_that_is_first_asked_after_the_response_started_is_nobody_though_resolved(
    flags: Callable[..., Flags],
) -> None:
    context = asyncio.run(flags().context(Request()).resolve())
    context.start_response()
    assert_off(context)


class Changing(Flags):
    def authenticated(self, request: Request) -> tuple[object, ...]:
        return request.user, request.token


@pytest.mark.parametrize("awaited", [False, True])
def test_who_is_authenticated_after_it_was_found_out_is_the_one_who_asks(client: SignaKitClient, awaited: bool) -> None:
    request = Request(cookies=VISITOR)
    context = asyncio.run(Changing(client).context(request).resolve())
    request.user = "account"
    if awaited:
        asyncio.run(context.resolve())
    assert context.user_id == "account"
    request.user = None
    if awaited:
        asyncio.run(context.resolve())
    assert context.user_id == "account", "not after a question"


def test_where_the_same_user_is_authenticated_it_is_not_found_out_again(client: SignaKitClient) -> None:
    calls: list[Request] = []

    def identify(request: Request) -> None:
        calls.append(request)

    context = asyncio.run(Changing(client, identify=identify).context(Request(user="account")).resolve())
    asyncio.run(context.resolve())
    assert context.user_id == "account"
    assert len(calls) == 1


def test_a_response_that_may_still_ask_depends_on_the_cookie_of_a_known_user(flags: Callable[..., Flags]) -> None:
    for request, vary in (
        (Request(), ()),
        (Request(cookies={"visitor_id": "tracker"}), ()),
        (Request(cookies=VISITOR), ("Cookie",)),
        (Request(user="account"), ("Cookie",)),
    ):
        context = asyncio.run(flags().context(request).resolve())
        assert context.start_response() == ResponseStart(vary=vary)


def test_a_cookie_jar_that_raises_when_the_response_starts_is_no_error_of_the_page(client: SignaKitClient) -> None:
    class Broken(Flags):
        def cookies(self, request: Request, name: str) -> list[str]:
            raise ValueError("not a cookie")

    context = asyncio.run(Broken(client).context(Request()).resolve())
    assert context.start_response() == ResponseStart()


def test_a_request_that_is_answered_after_all_makes_a_visitor(flags: Callable[..., Flags]) -> None:
    calls: list[Request] = []
    request = Request(answered=False)
    context = flags(identify=lambda request: calls.append(request)).context(request)
    assert (context.user_id, context.touched) == ("", False)
    request.answered = True
    assert is_visitor_id(context.user_id)
    assert context.start_response().cookie is not None
    assert len(calls) == 1


def test_of_several_threads_that_ask_a_resolved_context_first_all_get_one_visitor(flags: Callable[..., Flags]) -> None:
    with ThreadPoolExecutor(8) as pool:
        for _ in range(50):
            context = asyncio.run(flags().context(Request()).resolve())
            assert len(set(pool.map(lambda _, asked=context: asked.user_id, range(8)))) == 1


@pytest.mark.parametrize("awaited", [False, True])
def test_where_no_response_sets_a_cookie_a_new_visitor_is_nobody_and_others_are_themselves(
    flags: Callable[..., Flags], caplog: pytest.LogCaptureFixture, awaited: bool
) -> None:
    bound = flags()
    for request, user_id in (
        (Request(answered=False), ""),
        (Request(answered=False), ""),
        (Request(answered=False, cookies=VISITOR), VISITOR["visitor_id"]),
        (Request(answered=False, user="account"), "account"),
    ):
        context = bound.context(request)
        if awaited:
            asyncio.run(context.resolve())
        assert context.user_id == user_id
        assert context.is_enabled("switch") is bool(user_id)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


# --- outside of requests ---------------------------------------------------------------------------------------------


def test_a_user_outside_of_any_request(client: SignaKitClient, flags: Callable[..., Flags]) -> None:
    context = flags().user(Identity("u", {"plan": "pro"}))
    assert context.is_enabled("switch")
    assert context.attributes == {"plan": "pro"}
    assert_off(flags().user(None))


# --- unknown flags ----------------------------------------------------------------------------------------------------


def test_an_unknown_flag_is_told_once_for_all_requests(
    flags: Callable[..., Flags], caplog: pytest.LogCaptureFixture
) -> None:
    integration = flags(identify=known)
    for _ in range(2):
        context = integration.context(Request())
        assert context.variation("msspelt", "default") == "default"
        assert not admits(context, "msspelt")
    [record] = caplog.records
    assert (record.levelname, record.name) == ("WARNING", "signakit_flags")
    assert record.getMessage() == "unknown flag 'msspelt': it is not in the config, and defaults stand in"
