"""What people and programs look at: the page, the JSON endpoints, and the live stream that keeps the page current."""
