"""Running the emulator: the application, and the server under it."""
