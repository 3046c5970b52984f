"""A project's JSON, pure: reading and checking it, editing it, and describing its rules. No clock, no network."""
