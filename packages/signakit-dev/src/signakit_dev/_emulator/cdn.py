"""The CDN: the config of a project and an environment, with its ETag, and 304 to clients that have it.

``Cdn`` is called in the server's loop alone. It keeps the encoded configs of the version in force, at most
``MAX_ENCODED``; another version empties the cache.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .._project.names import DEVELOPMENT, PRODUCTION
from .._project.sample import named_key
from .fault_responses import ClosingResponse, apply_fault

if TYPE_CHECKING:
    from starlette.requests import Request

    from .faults import Faults
    from .stopping import Stopping
    from .store import ProjectStore, Served

MAX_ENCODED = 100
_PART = re.compile(r"[A-Za-z0-9-]+")
_ENVIRONMENTS = {DEVELOPMENT, PRODUCTION}


@dataclass(frozen=True, slots=True)
class EncodedConfig:
    """A config as it is sent, and its ETag, which is of the content."""

    body: bytes
    etag: str


class Cdn:
    """The endpoint of configs.

    Attributes:
        config_requests: Requests so far, faults and 304 included.
        configs_sent: Configs sent so far; 304 and faults do not count.
    """

    def __init__(self, store: ProjectStore, faults: Faults, stopping: Stopping) -> None:
        self.store = store
        self.faults = faults
        self.stopping = stopping
        self.config_requests: int = 0
        self.configs_sent: int = 0
        self._encoded_from: Served | None = None
        self._encoded: dict[tuple[str, str, str], EncodedConfig] = {}

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/configs/{org}/{project}/{environment}/latest.json", self.send_config, methods=["GET"])]

    async def send_config(self, request: Request) -> Response:
        """Answer with the config, or that the client's is current."""
        self.config_requests += 1
        fault = self.faults.take("config")
        if fault is not None and fault.kind == "refuse":
            return ClosingResponse()
        usual = self._usual(request)
        answer = await apply_fault(fault, usual, self.stopping)
        if answer is usual and answer.status_code == 200:
            self.configs_sent += 1
        return answer

    def _usual(self, request: Request) -> Response:
        org, project, environment = (request.path_params[name] for name in ("org", "project", "environment"))
        if not (_PART.fullmatch(org) and _PART.fullmatch(project) and environment in _ENVIRONMENTS):
            return JSONResponse({"error": "no such project or environment"}, 404)
        config = self.config(org, project, environment)
        headers = {"ETag": config.etag, "Cache-Control": "no-cache"}
        if _matches(request.headers.get("if-none-match"), config.etag):
            return Response(status_code=304, headers=headers)
        return Response(config.body, headers=headers, media_type="application/json")

    def config(self, org_id: str, project_id: str, environment: str) -> EncodedConfig:
        """Return the config for the key of an organisation, a project and an environment."""
        served = self.store.current
        if served is not self._encoded_from:
            self._encoded_from = served
            self._encoded.clear()
        address = (org_id, project_id, environment)
        config = self._encoded.get(address)
        if config is None:
            config = _encode(_config(served, *address), served.version)
            if len(self._encoded) < MAX_ENCODED:
                self._encoded[address] = config
        return config


def _config(served: Served, org_id: str, project_id: str, environment: str) -> dict[str, Any]:
    kind = "prod" if environment == PRODUCTION else "dev"
    return {
        **served.data,
        # There is one file, and each key gets it as the config of its own project and environment.
        "projectId": project_id,
        "environmentKey": environment,
        "sdkKey": named_key(served.data) or f"sk_{kind}_{org_id}_{project_id}_emulator",
        "version": served.version,
        "generatedAt": served.data.get("generatedAt") or served.generated_at,
    }


def _encode(config: dict[str, Any], version: int) -> EncodedConfig:
    body = json.dumps(config, ensure_ascii=False, separators=(",", ":")).encode()
    return EncodedConfig(body, f'"{version}-{hashlib.sha256(body).hexdigest()[:16]}"')


def _matches(if_none_match: str | None, etag: str) -> bool:
    """Return whether the header ``If-None-Match`` names the ETag; weak tags match too."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
