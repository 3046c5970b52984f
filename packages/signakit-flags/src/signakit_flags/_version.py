"""The version of this distribution; a test compares it with the metadata of the installed package."""

__version__ = "2.0.0"
