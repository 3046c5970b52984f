from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from support import contract_django, contract_fastapi, contract_flask, contract_starlette

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.contract import Adapter
    from support.server import FlagServer

ADAPTERS = [
    *contract_django.ADAPTERS,
    *contract_flask.ADAPTERS,
    *contract_fastapi.ADAPTERS,
    *contract_starlette.ADAPTERS,
]


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.name)
def site(request: pytest.FixtureRequest, transactional_db: None, server: FlagServer) -> Iterator[Adapter]:
    """A site of each framework, whose client talks to ``server``. A further framework adds its adapters here."""
    with serving(request.param, server) as adapter:
        yield adapter


@pytest.fixture(params=[adapter for adapter in ADAPTERS if adapter.streams], ids=lambda adapter: adapter.name)
def streaming_site(request: pytest.FixtureRequest, transactional_db: None, server: FlagServer) -> Iterator[Adapter]:
    """The same, in the ways to write a view that can stream a body."""
    with serving(request.param, server) as adapter:
        yield adapter


@contextmanager
def serving(kind: Any, server: FlagServer) -> Iterator[Adapter]:
    adapter: Adapter = kind(**server.urls, polling_interval=0.05)
    adapter.configure()
    yield adapter
    adapter.finish()
