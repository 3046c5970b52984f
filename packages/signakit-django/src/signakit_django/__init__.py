"""Feature flags in Django."""
