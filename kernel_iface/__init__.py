"""Hosts: what can be observed and changed, on the real kernel or in the simulator."""
