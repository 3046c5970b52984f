"""The command as a whole: its version, its help and its list of commands."""

from __future__ import annotations

from support.command import here, signakit


def test_the_version_and_the_commands_are_told() -> None:
    assert signakit("--version").out.startswith("signakit-dev 2.")
    listed = signakit("--help").out
    for name in ("demo", "dev", "decide", "simulate", "validate", "status"):
        assert f"\n  {name} " in listed
        assert "--json" in here(name, "--help").out
    assert "\x1b" not in listed
    assert "╭" not in listed


def test_without_a_command_it_explains_itself() -> None:
    assert "Commands:" in here(code=2).err
