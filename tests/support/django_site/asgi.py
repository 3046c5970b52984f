from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

from signakit_django.asgi import with_lifespan

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "support.django_site.deployed")
application = with_lifespan(get_asgi_application())
