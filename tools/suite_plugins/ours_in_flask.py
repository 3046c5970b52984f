"""A pytest plugin that gives each Flask app of a suite our extension, as soon as the app is made."""

import os
from typing import Any
from unittest import mock

import flask
from counts import counts

from signakit_flask import SignaKit

initialise = flask.Flask.__init__


def initialise_with_ours(self: flask.Flask, *arguments: Any, **options: Any) -> None:
    initialise(self, *arguments, **options)
    self.config["SIGNAKIT_LOAD_IN_TESTS"] = "SIGNAKIT_SDK_KEY" in os.environ
    SignaKit(self)
    counts["applications"] += 1


def count_request(*_: object, **__: object) -> None:
    counts["requests"] += 1


mock.patch.object(flask.Flask, "__init__", initialise_with_ours).start()
flask.request_started.connect(count_request)
