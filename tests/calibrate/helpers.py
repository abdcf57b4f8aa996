"""A root folder with the kernel's files that a test wants, and small bounds."""

from collections.abc import Mapping
from pathlib import Path

from damon_tuner.kernel_iface.calibrate.finding import Finding
from damon_tuner.kernel_iface.calibrate.host_files import HostFiles
from damon_tuner.kernel_iface.calibrate.limits import Limits

SMALL = Limits(max_bytes=16 << 20, repeats=2, accesses=1 << 14, last_cache_bytes=None, cpus=1)


def fake_host(root: Path, files: Mapping[str, str]) -> HostFiles:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return HostFiles(root)


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    found = {finding.name: finding for finding in findings}
    assert len(found) == len(findings)
    return found
