"""For uvicorn and hypercorn. With the lifespan, what is queued at the end is sent."""

import os

from django.core.asgi import get_asgi_application

from signakit_django.asgi import with_lifespan

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = with_lifespan(get_asgi_application())
