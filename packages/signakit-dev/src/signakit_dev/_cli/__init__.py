"""The commands of ``signakit``, one module each; ``signakit_dev.cli`` puts them together."""
