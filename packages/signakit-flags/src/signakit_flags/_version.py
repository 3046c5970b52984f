"""The version of this distribution; a test compares it with the metadata of the installed package."""

__version__ = "0.1.0"
