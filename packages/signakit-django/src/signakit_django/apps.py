"""The application. Nothing here touches the network: ``ready()`` runs for every management command."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks
from django.core.signals import setting_changed

from .conf import conf


class SignaKitConfig(AppConfig):
    """Registers the checks, and what follows from a changed setting."""

    name = "signakit_django"
    label = "signakit"

    def ready(self) -> None:
        """Register."""
        from .checks import check_deployment, check_middleware, check_settings  # apps are loaded now

        checks.register(check_settings, "signakit")
        checks.register(check_middleware, "signakit")
        checks.register(check_deployment, "signakit", checks.Tags.security, deploy=True)
        setting_changed.connect(conf.reset, dispatch_uid="signakit_django")
