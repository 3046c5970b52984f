"""Pure delivery: what an event looks like, which exposures are new, what waits to be sent. Time is passed in."""
