"""Operations of django-ninja, sync and async."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.urls import path
from ninja import NinjaAPI
from ninja.security import HttpBearer, django_auth

from signakit_django import flag_required


class ByName(HttpBearer):
    def authenticate(self, request, token):
        return get_user_model().objects.filter(username=token).first()


class ByNameLater(HttpBearer):
    async def authenticate(self, request, token):
        return await get_user_model().objects.filter(username=token).afirst()


class AsText(HttpBearer):
    def authenticate(self, request, token):
        return token


api = NinjaAPI(urls_namespace="flags")


def facts(flags):
    return {"flags": flags.user_id, "exp": flags.variation("exp")}


@api.get("/sync", auth=ByName())
def sync(request):
    return facts(request.flags)


@api.get("/async", auth=ByNameLater())
async def awaited(request):
    return facts(await request.aflags())


@api.get("/gate", auth=ByName())
@flag_required("exp")
def gate(request):
    return facts(request.flags)


@api.get("/gate/async", auth=ByNameLater())
@flag_required("exp")
async def agate(request):
    return facts(await request.aflags())


@api.get("/none", auth=None)
def without(request):
    return facts(request.flags)


@api.get("/text", auth=AsText())
def text(request):
    return facts(request.flags)


@api.get("/session", auth=django_auth)
def session(request):
    return facts(request.flags)


urlpatterns = [path("", api.urls)]
