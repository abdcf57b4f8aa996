"""How close the simulator comes to real DAMON: recordings of a real kernel, and the distances."""
