from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory
from django.utils.functional import SimpleLazyObject

import signakit_django
from signakit_django.middleware import SignaKitMiddleware
from signakit_flags import SignaKitUserContext
from signakit_flags.integration import Identity, IdentityNotAwaited, is_visitor_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.server import FlagServer

pytestmark = pytest.mark.usefixtures("configure")
ID = "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"


def serve(view: Callable[[Any], Any], request: Any = None) -> Any:
    """Put a view behind the middleware alone, and return its response."""
    request = RequestFactory().get("/") if request is None else request
    return SignaKitMiddleware(view)(request)


def aserve(view: Callable[[Any], Any], request: Any = None) -> Any:
    """The same for an async view."""
    request = AsyncRequestFactory().get("/") if request is None else request

    async def run() -> Any:
        return await SignaKitMiddleware(view)(request)

    return asyncio.run(run())


# --- the class -------------------------------------------------------------------------------------------------------


def test_it_serves_both_kinds_of_stack() -> None:
    async def async_view(_request: Any) -> HttpResponse:
        return HttpResponse()

    assert SignaKitMiddleware.sync_capable
    assert SignaKitMiddleware.async_capable
    assert iscoroutinefunction(SignaKitMiddleware(async_view))
    assert not iscoroutinefunction(SignaKitMiddleware(lambda _request: HttpResponse()))


def test_a_request_of_the_factory_has_neither_session_nor_user_and_is_a_visitors() -> None:
    seen = []

    def view(request: Any) -> HttpResponse:
        seen.append(request.flags)
        return HttpResponse(request.flags.variation("switch"))

    response = serve(view)
    [flags] = seen
    assert isinstance(flags, SignaKitUserContext)
    assert response.content == b"on"
    assert response.cookies["visitor_id"].value == flags.user_id


def test_the_same_async() -> None:
    async def view(request: Any) -> HttpResponse:
        flags = await request.aflags()
        assert flags is request.flags
        assert await request.aflags() is flags
        return HttpResponse(flags.variation("switch"))

    response = aserve(view)
    assert response.content == b"on"
    assert is_visitor_id(response.cookies["visitor_id"].value)


def test_names_that_vary_already_has_are_kept_and_not_repeated() -> None:
    def view(request: Any) -> HttpResponse:
        request.flags.decide("exp")
        return HttpResponse(headers={"Vary": "accept, COOKIE"})

    assert serve(view)["Vary"] == "accept, COOKIE"


def test_a_response_that_varies_by_everything_stays_so() -> None:
    def view(request: Any) -> HttpResponse:
        request.flags.decide("exp")
        return HttpResponse(headers={"Vary": "*"})

    assert serve(view)["Vary"] == "*"


def test_a_request_is_not_kept_alive_by_its_flags_once_they_are_gone() -> None:
    requests = []

    def view(request: Any) -> HttpResponse:
        request.flags.decide("exp")
        requests.append(weakref.ref(request))
        return HttpResponse()

    serve(view)
    gc.collect()
    assert requests[0]() is None


# --- who is logged in ------------------------------------------------------------------------------------------------


class User:
    is_authenticated = True
    pk = 17


def test_a_user_that_a_middleware_of_the_projects_has_set() -> None:
    request = RequestFactory().get("/")
    request.user = User()  # type: ignore[assignment]
    assert serve(lambda request: HttpResponse(request.flags.user_id), request).content == b"17"

    async def view(request: Any) -> HttpResponse:
        assert request.flags.user_id == "17", "nothing has to be awaited"
        return HttpResponse((await request.aflags()).user_id)

    request = AsyncRequestFactory().get("/")
    request.user = User()  # type: ignore[assignment]
    assert aserve(view, request).content == b"17"


def test_a_user_that_a_middleware_of_the_projects_has_set_goes_before_that_of_the_session() -> None:
    """As under an impersonation: ``auser`` still names the one who is logged in."""

    async def of_the_session() -> User:
        raise AssertionError("the session was asked")

    async def view(request: Any) -> HttpResponse:
        return HttpResponse((await request.aflags()).user_id)

    request = AsyncRequestFactory().get("/")
    request.user, request.auser = User(), of_the_session  # type: ignore[assignment]
    assert aserve(view, request).content == b"17"


def test_a_lazy_user_without_an_auser_is_loaded_in_a_thread() -> None:
    def load() -> User:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return User()

    async def view(request: Any) -> HttpResponse:
        return HttpResponse((await request.aflags()).user_id)

    request = AsyncRequestFactory().get("/")
    request.user = SimpleLazyObject(load)  # type: ignore[assignment]
    assert aserve(view, request).content == b"17"


@pytest.mark.parametrize("user", [AnonymousUser(), None, SimpleLazyObject(AnonymousUser)])
def test_an_anonymous_user_is_a_visitor(user: Any) -> None:
    request = RequestFactory().get("/")
    request.user = user
    assert "visitor_id" in serve(lambda request: HttpResponse(request.flags.user_id), request).cookies


def test_a_user_that_is_not_saved_is_a_visitor() -> None:
    request = RequestFactory().get("/")
    request.user = get_user_model()()
    response = serve(lambda request: HttpResponse(request.flags.user_id), request)
    assert response.content.decode() == response.cookies["visitor_id"].value


def test_an_account_that_cannot_be_read_is_no_error_of_the_page(caplog: pytest.LogCaptureFixture) -> None:
    def load() -> User:
        raise ConnectionError("the database is away")

    request = RequestFactory().get("/")
    request.user = SimpleLazyObject(load)  # type: ignore[assignment]
    response = serve(lambda request: HttpResponse(str(request.flags.decide("switch"))), request)
    assert response.content == b"None"
    assert response.cookies == {}
    assert "the database is away" in caplog.text
    assert {record.name for record in caplog.records} == {"signakit_django"}


# --- async: nothing is anonymous by accident --------------------------------------------------------------------------


async def identify_later(_request: Any) -> Identity | None:
    return Identity("identified")


def identify_by_database(request: Any) -> Identity | None:
    user = get_user_model().objects.first()
    return None if user is None else Identity(user.get_username())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("identify", [None, identify_later, identify_by_database])
@pytest.mark.parametrize("logged_in", [False, True])
def test_flags_before_aflags_raise_in_an_async_view_and_are_there_after_it(
    configure: Callable[..., None], identify: Any, logged_in: bool
) -> None:
    configure(IDENTIFY=identify)
    user = get_user_model().objects.create_user("ada")
    client = AsyncClient()
    if logged_in:
        client.force_login(user)
    seen: list[Any] = []

    async def view(request: Any) -> HttpResponse:
        with pytest.raises(RuntimeError, match=r"await request\.aflags\(\)"):
            request.flags.is_enabled("switch")
        flags = await request.aflags()
        assert request.flags.is_enabled("switch")
        seen.append(flags.user_id)
        return HttpResponse("fine")

    with routed(view):
        response = async_to_sync(client.get)("/")
    assert response.status_code == 200
    if identify is identify_later:
        assert seen == ["identified"]
    elif identify is identify_by_database:
        assert seen == ["ada"]
    elif logged_in:
        assert seen == [str(user.pk)]
    else:
        assert is_visitor_id(seen[0])


class routed:  # noqa: N801  # reads as a verb
    """Serves one view at ``/``."""

    def __init__(self, view: Any) -> None:
        from django.test.utils import override_settings
        from django.urls import path

        self.urlpatterns = (path("", view),)
        self._override = override_settings(ROOT_URLCONF=self.urlpatterns)

    def __enter__(self) -> None:
        self._override.enable()

    def __exit__(self, *_: object) -> None:
        self._override.disable()


def test_an_error_in_an_async_view_is_ours_by_name() -> None:
    async def view(request: Any) -> HttpResponse:
        request.user = SimpleLazyObject(User)
        with pytest.raises(IdentityNotAwaited):
            _ = request.flags.user_id
        return HttpResponse()

    assert aserve(view).status_code == 200


def test_a_sync_identify_that_needs_no_database_may_be_asked_on_the_loop(configure: Callable[..., None]) -> None:
    configure(IDENTIFY=lambda request: Identity(request.headers["X-User"]))

    async def view(request: Any) -> HttpResponse:
        return HttpResponse(request.flags.user_id)

    request = AsyncRequestFactory().get("/", headers={"x-user": "ada"})
    assert aserve(view, request).content == b"ada"


def test_a_sync_only_operation_is_not_mistaken_for_a_failure(
    configure: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    def identify(_request: Any) -> Identity | None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return Identity("ada")
        raise SynchronousOnlyOperation

    configure(IDENTIFY=identify)

    async def view(request: Any) -> HttpResponse:
        with pytest.raises(RuntimeError, match="aflags"):
            _ = request.flags.user_id
        return HttpResponse((await request.aflags()).user_id)

    assert aserve(view).content == b"ada"
    assert caplog.records == []


async def identify_by_blocking_the_loop(_request: Any) -> Identity | None:
    return Identity(get_user_model().objects.get().username)


async def identify_by_flags(request: Any) -> Identity | None:
    return Identity(request.flags.user_id)


@pytest.mark.parametrize("identify", [identify_by_blocking_the_loop, identify_by_flags])
def test_a_sync_view_is_not_told_to_await(
    db: None, configure: Callable[..., None], caplog: pytest.LogCaptureFixture, identify: Any
) -> None:
    configure(IDENTIFY=identify)
    for _ in range(2):
        assert serve(lambda request: HttpResponse(repr(request.flags.decide("switch")))).content == b"None"
    assert len([record for record in caplog.records if "flags are off" in record.getMessage()]) == 1


def test_a_request_that_is_cancelled_says_nothing(
    configure: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    async def identify(_request: Any) -> Identity | None:
        await asyncio.Event().wait()
        return None

    configure(IDENTIFY=identify)

    async def view(request: Any) -> HttpResponse:
        await request.aflags()
        return HttpResponse()

    async def run() -> None:
        middleware: Any = SignaKitMiddleware(view)
        task = asyncio.create_task(middleware(AsyncRequestFactory().get("/")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert caplog.records == []


# --- loading ---------------------------------------------------------------------------------------------------------


def test_the_client_begins_to_load_when_the_handler_is_built(server: FlagServer) -> None:
    SignaKitMiddleware(lambda _request: HttpResponse())
    assert len(server.config_requests) == 1
    client = signakit_django.get_client()
    assert client is not None
    assert client.is_ready


def test_handlers_share_one_client(server: FlagServer) -> None:
    first = SignaKitMiddleware(lambda _request: HttpResponse())
    second = SignaKitMiddleware(lambda _request: HttpResponse())
    assert first is not second
    assert len(server.config_requests) == 1


def test_under_test_the_network_is_left_alone(configure: Callable[..., None], server: FlagServer) -> None:
    configure(LOAD_IN_TESTS=False)
    response = serve(lambda request: HttpResponse(str(request.flags.decide("switch"))))
    assert response.content == b"None"
    assert signakit_django.flags_for(User()).decide("switch") is None  # type: ignore[arg-type]
    assert server.config_requests == []


def test_a_changed_setting_makes_a_new_client(configure: Callable[..., None]) -> None:
    first = signakit_django.get_client()
    assert signakit_django.get_client() is first
    configure(POLLING_INTERVAL=5)
    assert signakit_django.get_client() is not first


def test_a_middleware_built_before_a_change_serves_by_the_new_settings(configure: Callable[..., None]) -> None:
    middleware = SignaKitMiddleware(lambda request: HttpResponse(request.flags.user_id))
    configure(IDENTIFY=lambda _request: Identity("ada"))
    assert middleware(RequestFactory().get("/")).content == b"ada"


# --- a real server ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_over_a_real_socket(live_server: Any, server: FlagServer) -> None:
    with httpx.Client(base_url=live_server.url, headers={"user-agent": "Mozilla/5.0 Firefox/140.0 (X11)"}) as browser:
        first = browser.get("/sync/flags")
        assert "HttpOnly" in first.headers["set-cookie"]
        second = browser.get("/sync/flags")
        assert "set-cookie" not in second.headers
        assert first.json()["user_id"] == second.json()["user_id"] == browser.cookies["visitor_id"]
        for raw in (b"visitor_id=\xff\xfe\x01; a", b"visitor_id=" + b"x" * 8_192, b";;;=;"):
            answer = httpx.get(
                f"{live_server.url}/sync/flags", headers=[(b"cookie", raw), (b"user-agent", b"\xff\xfe")]
            )
            assert answer.status_code == 200
            assert is_visitor_id(answer.json()["user_id"])
        big = httpx.get(f"{live_server.url}/sync/flags", headers={"user-agent": "x" * 65_000})
        assert big.status_code in {200, 431}, "the server's own limit"


def test_a_streamed_response_is_left_as_it_is() -> None:
    body = iter([b"a", b"b"])
    response = serve(lambda _request: StreamingHttpResponse(body))
    assert list(response) == [b"a", b"b"]


def test_the_test_client_needs_nothing(db: None) -> None:
    assert Client().get("/sync/untouched").status_code == 200
