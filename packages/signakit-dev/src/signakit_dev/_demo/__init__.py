"""The demo: example shops, and the visitors that fill them."""
