"""Views, templates and decorators of the site, in sync and in async views."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.template import Context, Engine, RequestContext, Template, TemplateSyntaxError, engines
from django.test import AsyncClient, Client, RequestFactory
from django.test.utils import override_settings
from django.views import View
from django.views.decorators.cache import never_cache

import signakit_django
from signakit_django.decorators import flag_required
from signakit_django.middleware import SignaKitMiddleware
from signakit_django.testing import override_flags, with_flags
from signakit_flags.integration import Identity
from support.server import FlagServer, status

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(params=["sync", "async"])
def get(request: pytest.FixtureRequest, configure: Callable[..., None]) -> Callable[[str], Any]:
    """Gets a page of the site, as a user in one variation of the flag ``exp``."""

    def page(path: str, variation: str = "treatment", **options: Any) -> Any:
        configure(**{"IDENTIFY": lambda _request: Identity(user_in(variation)), **options})
        url = f"/{request.param}/{path}"
        if request.param == "sync":
            return Client(raise_request_exception=False).get(url)
        client = AsyncClient(raise_request_exception=False)
        return async_to_sync(client.get)(url)

    return page


def user_in(variation: str) -> str:
    from signakit_flags import SignaKitClient
    from support.configs import config, flag, rule

    client = SignaKitClient.offline(config(flag("exp", rule("r-exp"))))
    for number in range(100):
        user = client.create_user_context(f"u{number}")
        assert user is not None
        if user.variation("exp") == variation:
            return f"u{number}"
    raise AssertionError(variation)


# --- templates -------------------------------------------------------------------------------------------------------


def test_the_tags_of_djangos_templates(get: Callable[..., Any]) -> None:
    answer = get("page", "treatment")
    user = user_in("treatment")
    assert answer.content.decode().strip() == f"treatment treatment None off on off variation {user}"


def test_the_functions_of_jinja_templates(get: Callable[..., Any]) -> None:
    assert get("jinja", "control").content.decode().strip() == "control None True False True False"


@pytest.mark.parametrize(
    "text",
    [
        "{% flag %}",
        '{% flag "a" as %}',
        '{% flag "a" "b" %}',
        "{% ifflag %}{% endifflag %}",
        '{% ifflag "a" "b" "c" %}{% endifflag %}',
        '{% ifflag "a" %}',
    ],
)
def test_a_tag_that_is_written_wrongly_says_so(text: str) -> None:
    with pytest.raises(TemplateSyntaxError):
        Template("{% load signakit %}" + text)


def test_tags_may_stand_in_loops_and_in_each_other(
    configure: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    inner = '{% ifflag "nothing" %}x{% else %}{{ letter }}{% endifflag %}'
    text = '{% load signakit %}{% for letter in "ab" %}{% ifflag "switch" %}' + inner + "{% endifflag %}{% endfor %}"

    def view(request: Any) -> HttpResponse:
        return HttpResponse(Template(text).render(RequestContext(request)))

    assert SignaKitMiddleware(view)(RequestFactory().get("/")).content == b"ab"
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "unknown flag 'nothing': it is not in the config, and defaults stand in"
    ]


@pytest.mark.parametrize("context", [{}, {"request": "a word"}])
def test_a_template_without_a_request_gets_defaults_and_it_is_logged_once(
    configure: Callable[..., None], context: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    text = '{% load signakit %}{% flag "switch" %}{% ifflag "switch" %}on{% else %}off{% endifflag %}'
    assert Template(text).render(Context(context)) == "offoff"
    jinja = engines["jinja2"].from_string('{{ flag("switch") }} {{ ifflag("switch") }}')
    assert jinja.render(context) == "None False"
    assert len(caplog.records) == 1
    assert "without a request" in caplog.text


def test_ifflag_resolves_its_variation_only_where_there_is_a_decision(configure: Callable[..., None]) -> None:
    def variation() -> str:
        raise AssertionError("resolved without a decision")

    text = '{% load signakit %}{% ifflag "switch" variation %}on{% else %}off{% endifflag %}'
    assert Template(text).render(Context({"variation": variation})) == "off"


@pytest.mark.parametrize(
    "text",
    [
        "{% include part only %}",
        '{% with request="another" %}{% include part %}{% endwith %}',
        "{% for request in 'a' %}{% include part %}{% endfor %}",
    ],
)
@pytest.mark.parametrize("processors", [[], ["django.template.context_processors.request"]], ids=["none", "request"])
def test_a_tag_finds_the_request_wherever_django_keeps_it(
    configure: Callable[..., None], text: str, processors: list[str]
) -> None:
    engine = Engine(context_processors=processors, libraries={"signakit": "signakit_django.templatetags.signakit"})
    part = engine.from_string('{% load signakit %}{% ifflag "switch" %}in{% else %}out{% endifflag %}')

    def view(request: Any) -> HttpResponse:
        return HttpResponse(engine.from_string(text).render(RequestContext(request, {"part": part})))

    assert SignaKitMiddleware(view)(RequestFactory().get("/")).content == b"in"


def test_blocks_within_ifflag_can_be_overridden() -> None:
    block = "{% block a %}{% endblock %}"
    text = (
        "{% load signakit %}{% ifflag 'x' %}" + block + "{% else %}" + "{% block b %}{% endblock %}" + "{% endifflag %}"
    )
    kind = type(Template(block).nodelist[0])
    assert len(Template(text).nodelist.get_nodes_by_type(kind)) == 2


@pytest.mark.parametrize(("switch", "expected"), [("on", b"&lt;b&gt;"), ("off", b"<b>")])
def test_a_variation_is_escaped_where_variables_are(
    configure: Callable[..., None], server: FlagServer, switch: str, expected: bytes
) -> None:
    from support.configs import config, flag, whole

    server.set_config(config(flag("odd", allocation=whole("<b>"))))
    configure(IDENTIFY=lambda _request: Identity("u"))

    text = "{% load signakit %}{% autoescape " + switch + ' %}{% flag "odd" %}{% endautoescape %}'

    def view(request: Any) -> HttpResponse:
        return HttpResponse(Template(text).render(Context({"request": request})))

    assert SignaKitMiddleware(view)(RequestFactory().get("/")).content == expected


# --- decorators ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["gate", "gate/class", "gate/mixin", "gate/dispatch", "gate/get"])
def test_those_who_have_the_flag_are_let_in_and_the_others_get_404(
    get: Callable[..., Any], server: FlagServer, path: str
) -> None:
    assert get(path).content == b"let in"
    server.set_config({"flags": []})
    assert get(path).status_code == 404


@pytest.mark.parametrize("path", ["gate", "gate/class", "gate/mixin", "gate/dispatch", "gate/get"])
def test_an_async_view_awaits_who_asks(configure: Callable[..., None], path: str) -> None:
    async def identify(_request: Any) -> Identity:
        await asyncio.sleep(0)
        return Identity("ada")

    configure(IDENTIFY=identify)
    assert async_to_sync(AsyncClient().get)(f"/async/{path}").content == b"let in"


@pytest.mark.parametrize("path", ["gate/treatment", "gate/mixin/treatment"])
def test_one_variation_alone_can_be_let_in(get: Callable[..., Any], path: str) -> None:
    assert get(path, "treatment").content == b"let in"
    assert get(path, "control").status_code == 404


def test_the_others_can_be_sent_elsewhere(get: Callable[..., Any], server: FlagServer) -> None:
    assert get("gate/redirect").url == "/elsewhere"
    server.set_config({"flags": []})
    assert get("gate/mixin/redirect").url == "/elsewhere"


@pytest.mark.parametrize(("path", "code"), [("gate/forbidden", 403), ("gate/teapot", 418)])
def test_the_others_can_get_another_status(get: Callable[..., Any], path: str, code: int) -> None:
    assert get(path).status_code == code


@pytest.mark.parametrize("path", ["gate", "gate/class", "gate/mixin", "gate/dispatch", "gate/get"])
def test_while_there_is_no_config_nobody_is_let_in(get: Callable[..., Any], server: FlagServer, path: str) -> None:
    server.config_fault = status(503)
    assert get(path, READY_TIMEOUT=0).status_code == 404


@pytest.mark.parametrize("path", ["gate", "gate/class", "gate/mixin", "gate/dispatch", "gate/get"])
def test_without_the_middleware_users_are_let_in_and_visitors_are_not(get: Callable[..., Any], path: str) -> None:
    with override_settings(MIDDLEWARE=[]):
        assert get(path).content == b"let in"
        assert get(path, IDENTIFY=None).status_code == 404


def test_a_method_that_a_view_does_not_have_is_answered_as_ever(configure: Callable[..., None]) -> None:
    assert Client().post("/sync/gate/class").status_code == 405
    assert async_to_sync(AsyncClient().post)("/async/gate/class").status_code == 405


def test_a_mixin_without_a_key_is_a_mistake_of_the_projects(configure: Callable[..., None]) -> None:
    with pytest.raises(ImproperlyConfigured, match="flag_key"):
        Client().get("/sync/gate/mixin/nothing")


def test_forgotten_parentheses_are_noticed_at_once() -> None:
    with pytest.raises(TypeError, match="key of a flag"):
        flag_required(lambda _request: None)  # type: ignore[arg-type]


def test_on_a_method_it_names_the_decorator_that_belongs_there() -> None:
    with pytest.raises(TypeError, match=r"@method_decorator\(flag_required\('switch'\)\)"):

        class Page(View):
            @flag_required("switch")
            def get(self, request: Any) -> HttpResponse:
                return HttpResponse("let in")

    with pytest.raises(TypeError, match="method_decorator"):

        class Later(View):
            @flag_required("switch")
            async def get(self, request: Any) -> HttpResponse:
                return HttpResponse("let in")


class Disguised(View):
    """Methods that only show when they are called that they are methods."""

    @flag_required("switch")
    @never_cache
    def get(this, request: Any) -> HttpResponse:  # noqa: N805  # a name of the project's own
        return HttpResponse("let in")

    @flag_required("switch")
    async def post(this, request: Any) -> HttpResponse:  # noqa: N805  # as above
        return HttpResponse("let in")

    @flag_required("switch")
    def put(this) -> HttpResponse:  # noqa: N805  # as above
        return HttpResponse("let in")


class Model:
    """No view, but it serves requests, as a page of a CMS does."""

    @flag_required("switch")
    def serve(this, request: Any) -> HttpResponse:  # noqa: N805  # as above
        return HttpResponse("let in")


def test_a_method_in_disguise_raises_when_it_is_called_whatever_the_flag_says(configure: Callable[..., None]) -> None:
    request: Any = with_flags(RequestFactory().get("/"))
    with override_flags({"switch": True}):
        for call in (lambda: Disguised().get(request), lambda: Disguised().put(), lambda: Model().serve(request)):
            with pytest.raises(TypeError, match="method_decorator"):
                call()
        with pytest.raises(TypeError, match="method_decorator"):
            asyncio.run(Disguised().post(request))


def test_a_request_that_is_one_by_its_looks_alone_will_do() -> None:
    class Request:
        flags = signakit_django.flags_for(None)

    @flag_required("switch")
    def view(request: Any, other: int) -> str:
        return "let in"

    with override_flags({"switch": True}):
        assert view(Request(), 5) == "let in"


def test_a_decorated_view_is_still_itself() -> None:
    @flag_required("switch")
    def view(request: Any) -> None:
        """The view."""

    @flag_required("switch")
    async def async_view(request: Any) -> None: ...

    assert view.__doc__ == "The view."
    assert asyncio.iscoroutinefunction(async_view)
    assert not asyncio.iscoroutinefunction(view)


def test_a_template_response_of_an_async_view_needs_no_await(db: None, configure: Callable[..., None]) -> None:
    answer = async_to_sync(AsyncClient().get)("/async/rendered")
    assert answer.content == b"on"
    assert "visitor_id" in answer.cookies


# --- health ----------------------------------------------------------------------------------------------------------


def test_the_health_check_says_what_the_client_is_at(configure: Callable[..., None], server: FlagServer) -> None:
    Client().get("/sync/untouched")
    answer = Client().get("/health")
    assert answer.status_code == 200
    assert answer.json()["ready"] is True
    assert answer.json()["source"] == "cdn"
    assert "no-cache" in answer["Cache-Control"]
    assert Client().post("/health").status_code == 405


def test_the_health_check_fails_while_there_is_no_config(configure: Callable[..., None], server: FlagServer) -> None:
    server.config_fault = status(503)
    configure(READY_TIMEOUT=0)
    assert Client().get("/health").status_code == 503
    configure(SDK_KEY="nonsense")
    answer = Client().get("/health")
    assert answer.status_code == 503
    assert "flags are off" in answer.json()["last_error"]
