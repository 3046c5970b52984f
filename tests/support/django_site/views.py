"""Views of every kind, sync. The same, async: ``aviews``."""

from __future__ import annotations

import threading

from django.http import HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.template import engines
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.views import View

from signakit_django.decorators import FlagRequiredMixin, flag_required
from support.facts import caching, facts, worker_facts


def untouched(request):
    return JsonResponse({"thread": threading.get_ident()})


def lazy(request):
    request.flags.touched  # noqa: B018  # asks nothing
    repr(request.flags)
    response = HttpResponse("lazy")
    response["Vary"] = "Accept"
    return response


def flags(request):
    response = JsonResponse(facts(request.flags))
    response["Vary"] = "Accept-Language"
    for name, value in caching(request.headers.get("X-Cache-Control")).items():
        response[name] = value
    return response


def declared(request):
    assert not request.flags.touched
    return HttpResponse("declared")


def worker(request):
    return JsonResponse(worker_facts(request.flags))


def late(request):
    def body():
        yield "first "
        yield repr(request.flags.decide("exp"))

    return StreamingHttpResponse(body())


def early(request):
    flags = request.flags
    assert flags.user_id

    def body():
        yield flags.variation("exp")

    return StreamingHttpResponse(body())


def error(request):
    request.flags.decide("exp")
    raise LookupError("a mistake of the application's")


def away(request):
    request.flags.decide("exp")
    return HttpResponseRedirect("/elsewhere")


def page(request):
    return render(request, "page.html", {"key": "exp"})


def jinja(request):
    return render(request, "page.jinja", using=None)


def rendered(request):
    template = engines["django"].from_string('{% load signakit %}{% flag "switch" %}')
    return TemplateResponse(request, template)


def let_in(request, *args, **kwargs):
    return HttpResponse("let in")


gate = flag_required("switch")(let_in)
gate_treatment = flag_required("exp", variation="treatment")(let_in)
gate_redirect = flag_required("unknown", redirect_to="elsewhere")(let_in)
gate_forbidden = flag_required("unknown", status=403)(let_in)
gate_teapot = flag_required("unknown", status=418)(let_in)


@flag_required("switch")
class GateClass(View):
    def get(self, request):
        return HttpResponse("let in")


@method_decorator(flag_required("switch"), name="dispatch")
class GateDispatch(View):
    def get(self, request):
        return HttpResponse("let in")


@method_decorator(flag_required("switch"), name="get")
class GateGet(View):
    def get(self, request):
        return HttpResponse("let in")


class GateMixin(FlagRequiredMixin, View):
    flag_key = "switch"

    def get(self, request):
        return HttpResponse("let in")
