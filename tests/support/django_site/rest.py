"""Views of Django REST framework, of every kind, behind the flag ``exp``."""

from __future__ import annotations

import functools

from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_page
from django.views.decorators.http import require_POST
from rest_framework import exceptions, permissions, throttling, viewsets
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.response import Response
from rest_framework.views import APIView

from signakit_django import FlagRequiredMixin, flag_required, flags_of
from signakit_django.rest import FlagPermission
from support.facts import facts

FLAG = "exp"


class ByName(BaseAuthentication):
    """Takes ``Authorization: Name ada`` for a token of ada's."""

    def authenticate(self, request):
        scheme, _, name = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Name":
            return None
        user = get_user_model().objects.filter(username=name).first()
        if user is None:
            raise exceptions.AuthenticationFailed
        return user, "a token"

    def authenticate_header(self, request):
        return "Name"


class Never(throttling.BaseThrottle):
    def allow_request(self, request, view):
        return False


def body(request):
    return Response({"flags": request.flags.user_id, "user": str(request.user.pk), "same": same(request)})


def same(request):
    return flags_of(request) is request.flags is flags_of(request._request)


class Base(APIView):
    authentication_classes = (ByName, SessionAuthentication)
    renderer_classes = (JSONRenderer,)

    def get(self, request):
        return body(request)


class Facts(APIView):
    authentication_classes = (ByName,)
    permission_classes = (permissions.IsAuthenticated,)
    renderer_classes = (JSONRenderer,)

    def get(self, request):
        return Response(facts(request.flags))


gated = flag_required("switch")(Facts.as_view())
shut = flag_required("unknown")(Facts.as_view())


class Mixin(FlagRequiredMixin, Base):
    flag_key = FLAG


@flag_required(FLAG)
class Decorated(Base):
    """The view itself."""


@method_decorator(flag_required(FLAG), name="dispatch")
class Dispatch(Base):
    pass


class Method(Base):
    @method_decorator(flag_required(FLAG))
    def get(self, request):
        return body(request)


class MethodPaid(Base):
    @method_decorator(flag_required(FLAG, status=402))
    def get(self, request):
        return body(request)


@flag_required(FLAG)
@api_view()
@authentication_classes([ByName])
def above(request):
    return body(request)


@api_view()
@authentication_classes([ByName])
@flag_required(FLAG)
def below(request):
    return body(request)


class Set(FlagRequiredMixin, viewsets.ViewSet):
    authentication_classes = (ByName,)
    flag_key = FLAG

    def list(self, request):
        return body(request)


class SetMethod(viewsets.ViewSet):
    authentication_classes = (ByName,)

    @method_decorator(flag_required(FLAG))
    def list(self, request):
        return body(request)


class Plain(Base):
    pass


class Permitted(Base):
    permission_classes = (FlagPermission(FLAG),)


class Forbidden(Base):
    permission_classes = (FlagPermission(FLAG, status=403),)


class Paid(Base):
    permission_classes = (FlagPermission(FLAG, status=402),)


class Treated(Base):
    permission_classes = (FlagPermission(FLAG, variation="treatment"),)


class Both(Base):
    permission_classes = (permissions.IsAuthenticated & FlagPermission(FLAG),)


class Either(Base):
    permission_classes = (FlagPermission("unknown") | FlagPermission(FLAG),)


class Neither(Base):
    permission_classes = (~FlagPermission(FLAG),)


class Members(FlagRequiredMixin, Base):
    permission_classes = (permissions.IsAuthenticated,)
    flag_key = FLAG


class Throttled(FlagRequiredMixin, Base):
    throttle_classes = (Never,)
    flag_key = FLAG


class Lazily(Base):
    """Authenticates when it is asked who asks."""

    permission_classes = (FlagPermission(FLAG),)

    def perform_authentication(self, request):
        pass


class Browsable(Base):
    """In a browser."""

    renderer_classes = (BrowsableAPIRenderer, JSONRenderer)
    permission_classes = (FlagPermission(FLAG),)

    def post(self, request):
        return body(request)


class Reasoned(Mixin):
    """Has an exception handler of its own."""

    flag_status = 402

    def handle_exception(self, exc):
        response = super().handle_exception(exc)
        response["X-Reason"] = type(exc).__name__
        return response


@api_view()
@permission_classes([FlagPermission(FLAG)])
@authentication_classes([ByName])
def permitted(request):
    return body(request)


@flag_required(FLAG)
@flag_required("switch")
@api_view()
@authentication_classes([ByName])
def twice(request):
    return body(request)


def maintained(view):
    """Answers instead of the view, as a cache or a page about maintenance does."""

    @functools.wraps(view)
    def answer(request):
        return HttpResponse("we are back soon")

    return answer


@flag_required(FLAG)
@maintained
@api_view()
def interrupted(request):
    raise AssertionError("the view was called")


class Secret(Base):
    """Answers before it authenticates, as a view with a cache of its own does."""

    def dispatch(self, request, *args, **kwargs):
        return HttpResponse("secret")


class SecretMixin(FlagRequiredMixin, Secret):
    flag_key = FLAG


@flag_required(FLAG)
class SecretDecorated(Secret):
    pass


@method_decorator(flag_required(FLAG), name="dispatch")
class SecretDispatch(Secret):
    pass


SECRETS = {
    "secret/mixin": SecretMixin.as_view(),
    "secret/decorated": SecretDecorated.as_view(),
    "secret/dispatch": SecretDispatch.as_view(),
    "secret/url": flag_required(FLAG)(Secret.as_view()),
}


class ViewsAs(BaseAuthentication):
    """Shows ada's view of the site to an administrator, who is what ``request.auth`` is."""

    def authenticate(self, request):
        users = get_user_model().objects
        return users.get(username="ada"), users.get(username="administrator")


class Impersonated(FlagRequiredMixin, Base):
    authentication_classes = (ViewsAs,)
    flag_key = FLAG


class Cached(Base):
    """Has a page cache inside of the view."""

    @method_decorator(cache_page(60))
    def get(self, request):
        return Response({"flags": flags_of(request).user_id})


plain = Plain.as_view()
GATES = {
    "mixin": Mixin.as_view(),
    "decorated": Decorated.as_view(),
    "dispatch": Dispatch.as_view(),
    "method": Method.as_view(),
    "above": above,
    "below": below,
    "set": Set.as_view({"get": "list"}),
    "set/method": SetMethod.as_view({"get": "list"}),
    "urls": flag_required(FLAG)(plain),
    "permitted": Permitted.as_view(),
    "permitted/function": permitted,
    "lazily": Lazily.as_view(),
    "twice": twice,
    "both": Both.as_view(),
    "either": Either.as_view(),
}
urlpatterns = [
    *(path(name, view) for name, view in GATES.items()),
    *(path(name, view) for name, view in SECRETS.items()),
    path("impersonated", Impersonated.as_view()),
    path("partial", flag_required(FLAG)(functools.partial(Base.as_view()))),
    path("posted", flag_required(FLAG)(require_POST(Base.as_view()))),
    path("cached", Cached.as_view()),
    path("plain", plain),
    path("forbidden", Forbidden.as_view()),
    path("paid", Paid.as_view()),
    path("treated", Treated.as_view()),
    path("neither", Neither.as_view()),
    path("members", Members.as_view()),
    path("throttled", Throttled.as_view()),
    path("browsable", Browsable.as_view()),
    path("interrupted", interrupted),
    path("reasoned", Reasoned.as_view()),
    path("mixin/403", Mixin.as_view(flag_status=403)),
    path("mixin/402", Mixin.as_view(flag_status=402)),
    path("mixin/redirect", Mixin.as_view(flag_redirect_to="/elsewhere")),
    path("method/402", MethodPaid.as_view()),
]
