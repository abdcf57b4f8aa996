"""The demo: policies on a real process, under the real DAMON of a real kernel in an emulator."""

from damon_tuner.benchmarks.kernel_demo.run import read_demo, run_demo

__all__ = ["read_demo", "run_demo"]
