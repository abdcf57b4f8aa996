"""The benchmark: every contender on every workload, seed and budget, kept on disk cell by cell."""
