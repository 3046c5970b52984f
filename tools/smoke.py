"""Smoke test of installed wheels, for a bare environment that holds nothing but what the wheel asks for.

    python tools/smoke.py [PACKAGE]

Makes a decision with `signakit_flags`, then imports every module of PACKAGE (default: `signakit_flags`), and puts those
that are more than modules through what they are for. The checkout must not be importable: the tested package is the
installed one.
"""

import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import MutableMapping
from importlib.metadata import entry_points, version
from importlib.resources import files
from pathlib import Path
from typing import Any

SLOW_IMPORTS = {"asyncio", "httpx", "msgspec", "ssl"}
OPTIONAL_MODULES = {"jinja2", "pytest_plugin", "rest", "testing"}  # the extras that they need may be absent

EVERYONE_ON = {"ranges": [{"variation": "on", "start": 0, "end": 9999}]}
HALVES = {
    "ranges": [
        {"variation": "control", "start": 0, "end": 4999},
        {"variation": "treatment", "start": 5000, "end": 9999},
    ]
}
CONFIG = {
    "projectId": "smoke",
    "environmentKey": "development",
    "sdkKey": "sk_dev_org_smoke_key",
    "version": 1,
    "generatedAt": "2026-01-01T00:00:00.000Z",
    "flags": [
        {
            "id": "1",
            "key": "dark-mode",
            "salt": "dark-mode",
            "status": "active",
            "running": True,
            "variations": [{"key": "off"}, {"key": "on"}],
            "allocation": EVERYONE_ON,
        },
        {
            "id": "2",
            "key": "new-checkout",
            "salt": "new-checkout",
            "status": "active",
            "running": True,
            "variations": [{"key": "control"}, {"key": "treatment", "variables": {"button": "Buy now"}}],
            "variables": [{"key": "button", "type": "string", "defaultValue": "Buy"}],
            "allocation": {"ranges": []},
            "rules": [
                {
                    "ruleKey": "pro-plan",
                    "ruleType": "ab-test",
                    "trafficPercentage": 100,
                    "variationAllocation": HALVES,
                    "audiences": [{"conditions": [{"attribute": "plan", "operator": "equals", "value": "pro"}]}],
                }
            ],
        },
    ],
}


def main(package: str = "signakit_flags") -> None:
    check_import_is_light()
    check_decisions()
    check_hook_of_pyinstaller()
    names = import_every_module(package)
    if package == "signakit_dev":
        check_emulator()
        check_command()
    if package == "signakit_django":
        check_a_django_site()
    if package == "signakit_flask":
        check_a_flask_app()
    if package == "signakit_fastapi":
        check_a_fastapi_application()
    assert (files(package) / "py.typed").is_file(), f"{package} has no py.typed"
    print(f"smoke: {package} on Python {sys.version.split()[0]}: {len(names)} modules, a decision of each kind")


def check_import_is_light() -> None:
    import signakit_flags  # noqa: PLC0415 - what this import pulls in is what is tested

    pulled_in = SLOW_IMPORTS & set(sys.modules)
    assert not pulled_in, f"import signakit_flags imports {sorted(pulled_in)}"
    location = Path(signakit_flags.__file__).resolve()
    assert location.is_relative_to(Path(sys.prefix).resolve()), f"not the installed package: {location}"


def check_hook_of_pyinstaller() -> None:
    entries = entry_points(group="pyinstaller40", name="hook-dirs")
    folders = [entry.load()() for entry in entries if entry.module.startswith("signakit_flags.")]
    assert [(Path(folder) / "hook-signakit_flags.py").is_file() for (folder,) in folders] == [True]


def check_decisions() -> None:
    from signakit_flags import SignaKitClient  # noqa: PLC0415 - must come after the check of the first import

    with SignaKitClient.offline(CONFIG) as client:
        assert client.is_ready
        user = client.create_user_context("user-1", {"plan": "pro"})
        assert user is not None

        switch = user.decide("dark-mode")
        assert switch is not None
        assert (switch.variation_key, switch.enabled, switch.rule_key) == ("on", True, None)

        # MurmurHash3 of "new-checkout:variation:user-1" modulo 10,000 is bucket 7701.
        test = user.decide("new-checkout")
        assert test is not None
        assert (test.variation_key, test.rule_key, test.rule_type) == ("treatment", "pro-plan", "ab-test")
        assert test.variables == {"button": "Buy now"}

        assert user.decide("unknown") is None
        assert "new-checkout" in str(user.explain("new-checkout"))


def check_emulator() -> None:
    import urllib.request  # noqa: PLC0415 - imports ssl, which must come after the check of the first import

    from signakit_dev.testing import Emulator  # noqa: PLC0415 - only where it is installed
    from signakit_flags import SignaKitClient  # noqa: PLC0415 - as above

    with Emulator(CONFIG) as emulator:
        with SignaKitClient(emulator.sdk_key, cdn_url=emulator.url, events_url=emulator.events_url) as client:
            user = client.create_user_context("user-1", {"plan": "pro"})
            assert user is not None
            assert user.variation("new-checkout") == "treatment"
            user.track("purchase", value=3)
            exposure, purchase = emulator.wait_for_events(2)
            assert exposure["decisions"] == purchase["decisions"] == {"new-checkout": "treatment"}
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(emulator.url) as page:
            assert b"new-checkout" in page.read()  # the templates are in the wheel


def check_command() -> None:
    def signakit(*arguments: str) -> str:
        command = [str(Path(sys.prefix) / ("Scripts" if os.name == "nt" else "bin") / "signakit"), *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout

    assert version("signakit-dev") in signakit("--version")
    assert "--user" in signakit("decide", "--help")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps(CONFIG), encoding="utf-8")
        assert str(path) in signakit("validate", str(path))
        decided = json.loads(signakit("decide", "dark-mode", "--user", "user-1", "--config", str(path), "--json"))
        assert decided["decision"]["variation_key"] == "on"


def check_a_django_site() -> None:
    """Serve a page, without an SDK key: every flag is at its default, and the check says why."""
    import django  # noqa: PLC0415 - only where it is installed
    from django.conf import settings  # noqa: PLC0415 - as above
    from django.core.checks import run_checks  # noqa: PLC0415 - as above
    from django.http import HttpResponse  # noqa: PLC0415 - as above
    from django.test import Client  # noqa: PLC0415 - as above
    from django.urls import path  # noqa: PLC0415 - as above

    settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["signakit_django"],
        MIDDLEWARE=["signakit_django.middleware.SignaKitMiddleware"],
        ROOT_URLCONF=(path("", lambda request: HttpResponse(request.flags.variation("new-checkout", "none"))),),
    )
    django.setup()
    assert Client().get("/").content == b"none"
    checked = run_checks(tags=["signakit"], include_deployment_checks=True)
    assert [message.id for message in checked] == ["signakit.E001"]
    print(f"smoke: a page served by Django {django.get_version()}")


def check_a_flask_app() -> None:
    """Serve a page, without an SDK key: every flag is at its default."""
    from flask import Flask  # noqa: PLC0415 - only where it is installed

    from signakit_flask import SignaKit, flags  # noqa: PLC0415 - as above

    app = Flask(__name__)
    SignaKit(app)
    app.add_url_rule("/", "page", lambda: flags.variation("new-checkout", "none"))
    assert app.test_client().get("/").data == b"none"
    assert "no config" not in app.test_cli_runner().invoke(args=["signakit", "--help"]).output
    print(f"smoke: a page served by Flask {version('flask')}")


def check_a_fastapi_application() -> None:
    """Answer a request, without an SDK key and without a server: every flag is at its default."""
    import asyncio  # noqa: PLC0415 - must come after the check of the first import
    import logging  # noqa: PLC0415 - as above

    import fastapi  # noqa: PLC0415 - only where it is installed

    from signakit_fastapi import Flags, SignaKit, require_flag  # noqa: PLC0415 - as above

    logging.getLogger("signakit_flags").setLevel(logging.CRITICAL)  # it says that the key is missing
    signakit = SignaKit()
    app = fastapi.FastAPI(lifespan=signakit.lifespan, middleware=signakit.middleware)

    @app.get("/")
    @app.get("/gate", dependencies=[fastapi.Depends(require_flag("new-checkout"))])
    def index(flags: Flags) -> str:
        return flags.variation("new-checkout", "none")

    async def statuses() -> list[int]:
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> dict[str, str]:
            return {"type": "http.request"}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        async with signakit.lifespan(app):
            for path in ("/", "/gate"):
                scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "headers": []}
                scope["query_string"] = b""
                await app(scope, receive, send)
        return [message["status"] for message in sent if "status" in message]

    assert asyncio.run(statuses()) == [200, 404]
    assert "404" in app.openapi()["paths"]["/gate"]["get"]["responses"]
    print(f"smoke: a page served by FastAPI {fastapi.__version__}")


def import_every_module(package: str) -> list[str]:
    imported = [package]
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        name = module.name.rpartition(".")[2]
        if name == "__main__" or not name.isidentifier():  # as a hook, which PyInstaller alone can run
            continue
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            ours = (error.name or "").partition(".")[0] in {package, "signakit_flags"}
            if ours or name not in OPTIONAL_MODULES:
                raise
        else:
            imported.append(module.name)
    assert version(package.replace("_", "-")), package
    return imported


if __name__ == "__main__":
    main(*sys.argv[1:])
