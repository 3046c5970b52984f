"""The commands of ``signakit``, one module each, and what they share; ``signakit_dev.cli`` puts them together."""
