"""The simulator: DAMON's sampling, its schemes and the memory they act on, in C."""

from damon_tuner.kernel_iface.sim.host import SimContext, SimHost, carry_out, observe

__all__ = ["SimContext", "SimHost", "carry_out", "observe"]
