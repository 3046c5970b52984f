"""``signakit decide``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from signakit_flags import SignaKitClient
from support.command import here, signakit
from support.configs import config, flag, rule

if TYPE_CHECKING:
    from pathlib import Path


def test_decide_explains_a_decision(project: Path) -> None:
    done = signakit("decide", "new-checkout", "--user", "ada", "--attr", "plan=pro", cwd=project.parent)
    client = SignaKitClient.offline(project)
    context = client.create_user_context("ada", {"plan": "pro"})
    assert context is not None
    assert done.out.splitlines() == str(context.explain("new-checkout")).splitlines()
    assert done.err == ""


def test_decide_shows_the_variables(project: Path) -> None:
    out = here("decide", "banner", "--user", "ada", "--config", project).out
    assert '  variable text: "Free delivery"\n  variable seconds: 5\n' in out


def test_decide_prints_json(project: Path) -> None:
    answer = signakit(
        "decide", "new-checkout", "--user", "ada", "--attr", "plan=pro", "--json", cwd=project.parent
    ).json
    assert answer["source"] == "signakit.json"
    assert answer["decision"]["variation_key"] == "control"
    assert answer["decision"]["rule_key"] == "pro-customers"
    assert [step["kind"] for step in answer["steps"]] == ["flag", "audience", "traffic", "range"]


def test_names_in_a_config_do_not_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "hostile.json"
    path.write_text(json.dumps(config(flag("a\x1b[2Jb\x07", rule("r\x1b]0;x\x07")))))
    for arguments in (("decide", "a\x1b[2Jb\x07"), ("decide", "nope")):
        done = here(*arguments, "--user", "u", "--config", path, code=0 if arguments[1] != "nope" else 1)
        assert "\x1b" not in done.out + done.err
        assert "\x07" not in done.out + done.err
        assert "\\x1b[2J" in done.out + done.err


def test_a_number_of_thousands_of_digits_in_a_config_does_not_stop_the_commands(tmp_path: Path) -> None:
    # Python refuses to read such an integer; the SDK takes the config, and reports no version.
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config(flag("f"))).replace('"version": 1,', f'"version": {"9" * 5_000},'))
    assert "9" * 5_000 in path.read_text()
    for arguments in (("decide", "f", "--user", "u"), ("simulate", "f", "--users", 10)):
        assert here(*arguments, "--config", path, "--json").json["source"] == str(path)
