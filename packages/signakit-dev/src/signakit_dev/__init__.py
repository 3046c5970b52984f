"""A local emulator of SignaKit with a live page, and the `signakit` command."""
