from __future__ import annotations

import json

from signakit_flags import SignaKitClient
from signakit_flags.integration import health_check
from support.configs import SDK_KEY


def test_a_client_with_a_config_is_well(client: SignaKitClient) -> None:
    status, code = health_check(client, hint="see the log")
    assert (status["ready"], status["source"], code) == (True, "static", 200)
    assert json.loads(json.dumps(status)) == status


def test_a_client_without_a_config_is_not() -> None:
    status, code = health_check(SignaKitClient(SDK_KEY, cdn_url="http://127.0.0.1:1"), hint="see the log")
    assert (status["ready"], code) == (False, 503)


def test_where_flags_are_off_it_says_where_to_read_why() -> None:
    assert health_check(None, hint="see the log") == (
        {"ready": False, "last_error": "flags are off: see the log"},
        503,
    )
