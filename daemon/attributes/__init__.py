"""Watch how a host's memory is used, change nothing, and tell what could be made of it."""
