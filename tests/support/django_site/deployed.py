"""The same project as it is run by servers and commands: settings come from the environment."""

from __future__ import annotations

import os

from .settings import *  # noqa: F403
from .settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.staticfiles"]
STATIC_ROOT = os.environ.get("SITE_STATIC_ROOT", "static")
DEBUG = bool(os.environ.get("SITE_DEBUG"))
SIGNAKIT = {
    "POLLING_INTERVAL": float(os.environ.get("SITE_POLLING_INTERVAL", "0.2")),
    "READY_TIMEOUT": float(os.environ.get("SITE_READY_TIMEOUT", "10")),
    "IDENTIFY": "support.django_site.identity.by_query",
}
WSGI_APPLICATION = "support.django_site.wsgi.application"
