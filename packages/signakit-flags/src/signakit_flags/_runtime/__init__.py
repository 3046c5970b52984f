"""Everything with a clock, a thread, a loop or a socket."""
