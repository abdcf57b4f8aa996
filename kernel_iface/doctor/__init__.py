"""``damon-tuner doctor``: what this host has, what it lacks, and what that would allow."""

from damon_tuner.kernel_iface.doctor.examine import examine
from damon_tuner.kernel_iface.doctor.finding import Finding, Status
from damon_tuner.kernel_iface.doctor.report import as_json, as_text, is_ready

__all__ = ["Finding", "Status", "as_json", "as_text", "examine", "is_ready"]
