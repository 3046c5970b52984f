"""A small shop in FastAPI."""
