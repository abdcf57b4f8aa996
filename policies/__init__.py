"""The decision path: observation, knobs, guard, network and policy file; and the rules."""
