"""The application. Nothing here touches the network: ``ready()`` runs for every management command."""

from __future__ import annotations

import sys

from django.apps import AppConfig
from django.core import checks
from django.core.signals import setting_changed

from .conf import conf


class SignaKitConfig(AppConfig):
    """Registers the checks, and what follows from a changed setting and from the end of a Celery process."""

    name = "signakit_django"
    label = "signakit"

    def ready(self) -> None:
        """Register."""
        from .checks import check_deployment, check_middleware, check_settings  # noqa: PLC0415  # apps are loaded now

        checks.register(check_settings, "signakit")
        checks.register(check_middleware, "signakit")
        checks.register(check_deployment, "signakit", checks.Tags.security, deploy=True)
        setting_changed.connect(conf.reset, dispatch_uid="signakit_django")
        if "celery" in sys.modules:  # a project that uses it imports it before Django's applications
            _close_with_celery()


def _close_with_celery() -> None:
    """Send what is left when a process of Celery's prefork pool ends: it skips all that runs at an exit."""
    from celery.signals import worker_process_shutdown  # noqa: PLC0415  # only where it is there already

    worker_process_shutdown.connect(_close, weak=False, dispatch_uid="signakit_django")


def _close(**_: object) -> None:
    client = conf.integration.client()
    if client is not None:
        client.close()
