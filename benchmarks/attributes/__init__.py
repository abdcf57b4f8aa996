"""How well attributes that are derived from DAMON agree with what the simulated load does."""
