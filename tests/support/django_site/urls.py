from __future__ import annotations

from django.urls import include, path

from signakit_django.views import health

from . import arest, aviews, rest, views


def pages(module, api):
    return [
        path("gated", api.gated),
        path("shut", api.shut),
        path("untouched", module.untouched),
        path("lazy", module.lazy),
        path("declared", module.declared),
        path("flags", module.flags),
        path("worker", module.worker),
        path("late", module.late),
        path("early", module.early),
        path("error", module.error),
        path("away", module.away),
        path("page", module.page),
        path("jinja", module.jinja),
        path("rendered", module.rendered),
        path("gate", module.gate),
        path("gate/treatment", module.gate_treatment),
        path("gate/redirect", module.gate_redirect),
        path("gate/forbidden", module.gate_forbidden),
        path("gate/teapot", module.gate_teapot),
        path("gate/class", module.GateClass.as_view()),
        path("gate/dispatch", module.GateDispatch.as_view()),
        path("gate/get", module.GateGet.as_view()),
        path("gate/mixin", module.GateMixin.as_view()),
        path("gate/mixin/redirect", module.GateMixin.as_view(flag_redirect_to="/elsewhere")),
        path("gate/mixin/treatment", module.GateMixin.as_view(flag_key="exp", flag_variation="treatment")),
        path("gate/mixin/nothing", module.GateMixin.as_view(flag_key="")),
    ]


urlpatterns = [
    path("sync/", include(pages(views, rest))),
    path("async/", include(pages(aviews, arest))),
    path("mounted/", include([path("flags", views.flags)])),
    path("health", health),
    path("elsewhere", views.untouched, name="elsewhere"),
]
