"""The real kernel as a Host: one DAMON context driven through sysfs."""

from damon_tuner.kernel_iface.sysfs.host import SysfsHost

__all__ = ["SysfsHost"]
