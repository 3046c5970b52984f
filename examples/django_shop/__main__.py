"""The shop on this machine: ``python -m django_shop --port 8000``, in the folder ``examples``.

For ``signakit demo --shop django``: with a database of its own, which goes when the shop ends. ``manage.py`` runs it as
any other project in Django.
"""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import django
from django.core.asgi import get_asgi_application
from django.core.management import call_command

from signakit_dev._demo.shop_server import serve
from signakit_dev._demo.visitors import keep_visiting
from signakit_django import get_client
from signakit_django.asgi import with_lifespan


def main() -> None:
    """Serve until SIGINT, SIGTERM or the end of stdin, and print the address once requests are answered."""
    # uvicorn raises the signal once more when it has ended, and the database is to go nevertheless.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.path.insert(0, str(Path(__file__).parent))  # as manage.py has it
    with tempfile.TemporaryDirectory(prefix="django-shop-", ignore_cleanup_errors=True) as folder:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
        os.environ.setdefault("SHOP_DATABASE", str(Path(folder, "shop.sqlite3")))
        os.environ.setdefault("SHOP_DEBUG", "")  # a page that does not exist is a plain one
        serve("django_shop", make_shop)


def make_shop(visitors: float) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """Return the shop, its database made; `visitors` synthetic ones a second come while it runs."""
    django.setup(set_prefix=False)
    call_command("migrate", verbosity=0)
    application = with_lifespan(get_asgi_application())

    async def served(scope: Any, receive: Any, send: Any) -> None:
        client = get_client()
        if scope["type"] != "lifespan" or client is None:
            await application(scope, receive, send)
            return
        visiting = asyncio.create_task(keep_visiting(client, visitors))
        await application(scope, receive, send)  # to the end of the server
        visiting.cancel()

    return served


if __name__ == "__main__":
    main()
