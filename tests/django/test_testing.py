"""``signakit_django.testing``: requests without middleware, test cases, a live server."""

from __future__ import annotations

import asyncio
import unittest
import urllib.request
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.test import Client, LiveServerTestCase, RequestFactory, SimpleTestCase, TestCase
from django.test.utils import override_settings

import signakit_django
import signakit_django.testing
from signakit_django.decorators import flag_required
from signakit_django.testing import SignaKitMixin, override_flags, recorded, with_flags

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest


def view(request: Any) -> HttpResponse:
    request.flags.track("seen")
    return HttpResponse(request.flags.variation("exp", "none"))


@flag_required("exp", variation="treatment")
async def gated(request: HttpRequest) -> HttpResponse:
    return HttpResponse("let in")


def test_it_has_what_the_kit_has() -> None:
    names = signakit_django.testing.__all__
    assert names == sorted(names, key=lambda name: (name[0].islower(), name))
    assert all(hasattr(signakit_django.testing, name) for name in names)


def test_a_request_of_the_factory_has_flags() -> None:
    factory = RequestFactory()
    with override_flags({"exp": "treatment"}), recorded() as events:
        assert view(with_flags(factory.get("/"))).content == b"treatment"
        assert view(with_flags(factory.get("/"), "ada", {"plan": "pro"})).content == b"treatment"
        request = factory.get("/")
        request.user = User(pk=7)
        assert view(with_flags(request)).content == b"treatment"
        anonymous = factory.get("/")
        anonymous.user = AnonymousUser()
        anonymous.COOKIES["visitor_id"] = "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"
        assert view(with_flags(anonymous)).content == b"treatment"
        assert asyncio.run(gated(with_flags(factory.get("/"), "ada"))).content == b"let in"
    assert dict(events.assert_exposed("exp", user="ada").attributes) == {"plan": "pro"}
    events.assert_exposed("exp", user="7")
    events.assert_exposed("exp", user="8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11")
    assert len(events.conversions) == 4


def test_flags_outside_of_requests_are_forced_too(db: None) -> None:
    user = User.objects.create_user("ada")
    with override_flags({"exp": "treatment"}), recorded() as events:
        assert signakit_django.flags_for(user).variation("exp") == "treatment"
        assert signakit_django.flags_for(None).variation("exp") == "treatment"
    events.assert_exposed("exp", user=str(user.pk))
    assert len(events.exposures) == 1


def run_case(case: type[unittest.TestCase]) -> None:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun > 0
    assert result.failures + result.errors == [], result.failures + result.errors


def test_the_test_cases_of_django_are_decorated_and_mixed_with(db: None) -> None:
    @override_flags({"exp": "treatment"})
    class Decorated(SimpleTestCase):
        def test_sync(self) -> None:
            assert self.client.get("/sync/flags").json()["variation"] == "treatment"

        async def test_async(self) -> None:
            response = await self.async_client.get("/async/flags")
            assert response.json()["variation"] == "treatment"

    class Mixed(SignaKitMixin, TestCase):
        signakit_flags: ClassVar[Mapping[str, Any]] = {"exp": "treatment"}

        def test_it(self) -> None:
            answer = self.client.get("/sync/flags").json()
            self.signakit.assert_exposed("exp", user=answer["user_id"], variation="treatment")

    run_case(Decorated)
    run_case(Mixed)
    with override_settings():
        assert Client().get("/sync/flags").json()["variation"] is None


def test_the_threads_of_a_live_server_see_it(transactional_db: None, request: pytest.FixtureRequest) -> None:
    class Live(SignaKitMixin, LiveServerTestCase):
        signakit_flags: ClassVar[Mapping[str, Any]] = {"exp": "treatment"}

        def test_it(self) -> None:
            answer = urllib.request.urlopen(f"{self.live_server_url}/sync/flags", timeout=30).read()
            assert b'"variation": "treatment"' in answer
            self.signakit.assert_exposed("exp", variation="treatment")

    run_case(Live)
