"""A pytest plugin that adds our application and our middleware to the settings of a suite.

For suites that call ``settings.configure`` in a ``conftest.py``, as that of Django REST framework does. A plugin that
is named by ``-p`` is imported before any ``conftest.py``.
"""

import os
from typing import Any
from unittest import mock

from counts import counts
from django.conf import LazySettings

MIDDLEWARE = "signakit_django.middleware.SignaKitMiddleware"
configure = LazySettings.configure


def configure_with_ours(self: LazySettings, *arguments: Any, **options: Any) -> None:
    options["INSTALLED_APPS"] = (*options["INSTALLED_APPS"], "signakit_django")
    options["MIDDLEWARE"] = (*options["MIDDLEWARE"], MIDDLEWARE)
    options["SIGNAKIT"] = {"LOAD_IN_TESTS": "SIGNAKIT_SDK_KEY" in os.environ}
    configure(self, *arguments, **options)
    counts["applications"] += 1
    count_requests()


def count_requests() -> None:
    from signakit_django.middleware import SignaKitMiddleware  # noqa: PLC0415 - reads the settings

    serve = SignaKitMiddleware.__call__

    def counted(self: SignaKitMiddleware, request: Any) -> Any:
        counts["requests"] += 1
        return serve(self, request)

    mock.patch.object(SignaKitMiddleware, "__call__", counted).start()


mock.patch.object(LazySettings, "configure", configure_with_ours).start()
