"""Offline training in the simulator, and export of what was learned."""
