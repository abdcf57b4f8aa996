"""How much of a process is in huge pages, how much of that is bloat, and what to do about it."""

from damon_tuner.kernel_iface.huge_pages.examine import Examined, examine
from damon_tuner.kernel_iface.huge_pages.report import as_json, as_text

__all__ = ["Examined", "as_json", "as_text", "examine"]
