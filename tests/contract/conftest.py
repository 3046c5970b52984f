from __future__ import annotations

from typing import TYPE_CHECKING

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
    adapter = request.param(**server.urls, polling_interval=0.05)
    adapter.configure()
    yield adapter
    adapter.finish()
