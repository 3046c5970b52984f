"""Pure evaluation: a config is decoded, compiled into a ruleset, and asked. No clock, no threads, no network."""
