"""What is claimed of the daemon: its cost, its manners, and how it dies."""
