"""What the emulator does for an SDK: it serves configs, takes events, and can let both go wrong."""
