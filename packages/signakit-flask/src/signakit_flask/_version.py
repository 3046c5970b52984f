"""The version of the distribution; ``pyproject.toml`` says the same, and a test compares the two."""

__version__ = "2.0.0"
