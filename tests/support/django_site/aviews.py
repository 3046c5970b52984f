"""Views of every kind, async."""

from __future__ import annotations

import asyncio
import threading

from django.http import HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.template import engines
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.views import View

from signakit_django.decorators import FlagRequiredMixin, flag_required
from support.facts import caching, facts, worker_facts


async def untouched(request):
    return JsonResponse({"thread": threading.get_ident()})


async def lazy(request):
    request.flags.touched  # noqa: B018  # asks nothing
    repr(request.flags)
    response = HttpResponse("lazy")
    response["Vary"] = "Accept"
    return response


async def flags(request):
    response = JsonResponse(facts(await request.aflags()))
    response["Vary"] = "Accept-Language"
    for name, value in caching(request.headers.get("X-Cache-Control")).items():
        response[name] = value
    return response


async def declared(request):
    await request.aflags()
    return HttpResponse("declared")


async def worker(request):
    return JsonResponse(worker_facts(await request.aflags()))


async def late(request):
    async def body():
        yield "first "
        await asyncio.sleep(0)
        yield repr((await request.aflags()).decide("exp"))

    return StreamingHttpResponse(body())


async def early(request):
    flags = await request.aflags()
    assert flags.user_id

    async def body():
        await asyncio.sleep(0)
        yield flags.variation("exp")

    return StreamingHttpResponse(body())


async def error(request):
    (await request.aflags()).decide("exp")
    raise LookupError("a mistake of the application's")


async def away(request):
    (await request.aflags()).decide("exp")
    return HttpResponseRedirect("/elsewhere")


async def page(request):
    await request.aflags()
    return render(request, "page.html", {"key": "exp"})


async def jinja(request):
    await request.aflags()
    return render(request, "page.jinja")


async def rendered(request):
    template = engines["django"].from_string('{% load signakit %}{% flag "switch" %}')
    return TemplateResponse(request, template)


async def let_in(request, *args, **kwargs):
    return HttpResponse("let in")


gate = flag_required("switch")(let_in)
gate_treatment = flag_required("exp", variation="treatment")(let_in)
gate_redirect = flag_required("unknown", redirect_to="elsewhere")(let_in)
gate_forbidden = flag_required("unknown", status=403)(let_in)
gate_teapot = flag_required("unknown", status=418)(let_in)


@flag_required("switch")
class GateClass(View):
    async def get(self, request):
        return HttpResponse("let in")


@method_decorator(flag_required("switch"), name="dispatch")
class GateDispatch(View):
    async def get(self, request):
        return HttpResponse("let in")


@method_decorator(flag_required("switch"), name="get")
class GateGet(View):
    async def get(self, request):
        return HttpResponse("let in")


class GateMixin(FlagRequiredMixin, View):
    flag_key = "switch"

    async def get(self, request):
        return HttpResponse("let in")
