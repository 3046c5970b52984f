"""Views of adrf, which has async views of Django REST framework, behind the flag ``exp``."""

from __future__ import annotations

import sys

from adrf.decorators import api_view
from adrf.views import APIView
from adrf.viewsets import ViewSet
from django.http import HttpResponse
from django.urls import path
from django.utils.decorators import method_decorator
from rest_framework import permissions
from rest_framework.decorators import authentication_classes
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from signakit_django import FlagRequiredMixin, aflags_of, flag_required
from signakit_django.rest import FlagPermission
from support.facts import facts

from .rest import FLAG, ByName


async def body(request):
    flags = await aflags_of(request)
    same = flags is request.flags is await request.aflags()
    return Response({"flags": flags.user_id, "user": str(request.user.pk), "same": same})


class Base(APIView):
    authentication_classes = (ByName,)
    renderer_classes = (JSONRenderer,)

    async def get(self, request):
        return await body(request)


class Facts(APIView):
    authentication_classes = (ByName,)
    permission_classes = (permissions.IsAuthenticated,)
    renderer_classes = (JSONRenderer,)

    async def get(self, request):
        return Response(facts(await aflags_of(request)))


gated = flag_required("switch")(Facts.as_view())
shut = flag_required("unknown")(Facts.as_view())


class Mixin(FlagRequiredMixin, Base):
    flag_key = FLAG


@flag_required(FLAG)
class Decorated(Base):
    pass


@method_decorator(flag_required(FLAG), name="dispatch")
class Dispatch(Base):
    pass


@method_decorator(flag_required(FLAG), name="dispatch")
class AsyncDispatch(Base):
    async def dispatch(self, request, *args, **kwargs):
        return await super().dispatch(request, *args, **kwargs)


class Method(Base):
    @method_decorator(flag_required(FLAG))
    async def get(self, request):
        return await body(request)


@flag_required(FLAG)
@api_view(["GET"])
@authentication_classes([ByName])
async def above(request):
    return await body(request)


@api_view(["GET"])
@authentication_classes([ByName])
@flag_required(FLAG)
async def below(request):
    return await body(request)


class Set(FlagRequiredMixin, ViewSet):
    authentication_classes = (ByName,)
    flag_key = FLAG

    async def alist(self, request):
        return await body(request)


class Permitted(Base):
    permission_classes = (FlagPermission(FLAG),)


class Both(Base):
    permission_classes = (permissions.IsAuthenticated & FlagPermission(FLAG),)


class Lazily(Base):
    def perform_authentication(self, request):
        pass

    @method_decorator(flag_required(FLAG))
    async def get(self, request):
        return await body(request)


GATES = {
    "mixin": Mixin.as_view(),
    "decorated": Decorated.as_view(),
    "dispatch": Dispatch.as_view(),
    "dispatch/async": AsyncDispatch.as_view(),
    "above": above,
    "below": below,
    "set": Set.as_view({"get": "alist"}),
    "urls": flag_required(FLAG)(Base.as_view()),
    "permitted": Permitted.as_view(),
    "both": Both.as_view(),
}
if sys.version_info >= (3, 12):  # before, adrf takes an async method that is decorated for a sync one
    GATES |= {"method": Method.as_view(), "lazily": Lazily.as_view()}


class Secret(Base):
    """Answers before it authenticates."""

    async def dispatch(self, request, *args, **kwargs):
        return HttpResponse("secret")


class SecretMixin(FlagRequiredMixin, Secret):
    flag_key = FLAG


@flag_required(FLAG)
class SecretDecorated(Secret):
    pass


SECRETS = {
    "secret/mixin": SecretMixin.as_view(),
    "secret/decorated": SecretDecorated.as_view(),
    "secret/url": flag_required(FLAG)(Secret.as_view()),
}


urlpatterns = [
    *(path(name, view) for name, view in GATES.items()),
    *(path(name, view) for name, view in SECRETS.items()),
    path("plain", Base.as_view()),
    path("mixin/402", Mixin.as_view(flag_status=402)),
    path("mixin/redirect", Mixin.as_view(flag_redirect_to="/elsewhere")),
]
