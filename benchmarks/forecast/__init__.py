"""The forecast against what came: `damon-tuner figures forecast`."""
