"""What the kernel's files say about the host, without a measurement."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping

from damon_tuner.kernel_iface.calibrate.finding import Finding, missing, told
from damon_tuner.kernel_iface.calibrate.host_files import HostFiles
from damon_tuner.kernel_iface.calibrate.nodes import memory_nodes
from damon_tuner.kernel_iface.calibrate.swap import (
    compresses_first,
    is_zram,
    swap_devices,
    zswap_on,
)

_THP = "sys/kernel/mm/transparent_hugepage"
_THP_MODES = ("never", "madvise", "always")
_BLOCK_SIZE = "sys/devices/system/memory/block_size_bytes"
_DEMOTION = "sys/kernel/mm/numa/demotion_enabled"
_ZONE_COUNT = re.compile(r"^\s+(managed|low|boost)\s+(\d+)$", re.MULTILINE)
_ZRAM_SAMPLE_BYTES = 16 << 20


def about_host(files: HostFiles) -> dict[str, str | int | bool]:
    """Which host this is, for the profile's reader: kernel, CPU, memory."""
    cpu = files.text("proc/cpuinfo") or ""
    name = re.search(r"^model name\s*:\s*(.*)$", cpu, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.*)$", cpu, re.MULTILINE)
    return {
        "kernel": platform.release(),
        "cpu": name[1] if name else platform.machine(),
        "cpus": len(re.findall(r"^processor\s*:", cpu, re.MULTILINE)) or 1,
        "memory_bytes": files.fields("proc/meminfo").get("MemTotal", 0) << 10,
        "virtual": "hypervisor" in (flags[1].split() if flags else ()),
    }


def findings(files: HostFiles, defaults: Mapping[str, tuple[float, float]]) -> list[Finding]:
    """Profile parameters that files tell; ``defaults`` by name for what they depend on."""
    return [
        _thp_mode(files),
        _khugepaged(files),
        _low_watermark(files),
        _block_size(files),
        _demotion(files),
        _compression_ratio(files),
        _pool_share(files),
        _swap_ratio(files),
        *_slow_ratio(files, defaults),
    ]


def _thp_mode(files: HostFiles) -> Finding:
    text = files.text(f"{_THP}/enabled") or ""
    chosen = re.search(r"\[(\w+)\]", text)
    if not chosen or chosen[1] not in _THP_MODES:
        return told("thp_mode", "mode", 0.0, "this kernel has no huge pages")
    mode = float(_THP_MODES.index(chosen[1]))
    return told("thp_mode", "mode", mode, f"{chosen[1]}, /{_THP}/enabled")


def _khugepaged(files: HostFiles) -> Finding:
    pages = files.number(f"{_THP}/khugepaged/pages_to_scan")
    sleep_ms = files.number(f"{_THP}/khugepaged/scan_sleep_millisecs")
    if pages is None or not sleep_ms:
        return missing("khugepaged_pages_per_s", "the kernel does not say how it scans")
    how = f"pages_to_scan over scan_sleep_millisecs, /{_THP}/khugepaged"
    return told("khugepaged_pages_per_s", "1/s", pages * 1e3 / sleep_ms, how)


def _low_watermark(files: HostFiles) -> Finding:
    counts = {"managed": 0, "low": 0, "boost": 0}
    for name, pages in _ZONE_COUNT.findall(files.text("proc/zoneinfo") or ""):
        counts[name] += int(pages)
    managed = counts["managed"]
    if not managed:
        return missing("low_wmark_permille", "/proc/zoneinfo has no watermarks")
    # The kernel raises the watermarks for a while when it finds memory fragmented.
    low = counts["low"] - counts["boost"]
    how = "low watermarks over managed pages, /proc/zoneinfo"
    return told("low_wmark_permille", "permille", 1e3 * low / managed, how)


def _block_size(files: HostFiles) -> Finding:
    size = files.number(_BLOCK_SIZE, base=16)
    if not size:
        return missing("memory_block_mib", "this kernel cannot take memory offline")
    return told("memory_block_mib", "MiB", size / (1 << 20), f"/{_BLOCK_SIZE}")


def _demotion(files: HostFiles) -> Finding:
    on = files.text(_DEMOTION)
    if on not in ("true", "false"):
        return told("numa_demotion", "0 or 1", 0.0, "this kernel does not demote by itself")
    return told("numa_demotion", "0 or 1", float(on == "true"), f"{on}, /{_DEMOTION}")


def _compression_ratio(files: HostFiles) -> Finding:
    kept, held, where = 0, 0, []
    for name in files.names("sys/block"):
        row = (files.text(f"sys/block/{name}/mm_stat") or "").split()
        if is_zram(name) and len(row) > 1 and row[0].isdigit() and row[1].isdigit():
            kept, held = kept + int(row[0]), held + int(row[1])
            where.append(name)
    memory = files.fields("proc/meminfo")
    if memory.get("Zswap"):
        kept, held = kept + (memory.get("Zswapped", 0) << 10), held + (memory["Zswap"] << 10)
        where.append("zswap")
    if kept < _ZRAM_SAMPLE_BYTES or not held or kept < held:
        return missing("compression_ratio", "zram and zswap hold too little here to tell")
    return told(
        "compression_ratio", "ratio", kept / held, f"stored over used of {', '.join(where)}"
    )


def _pool_share(files: HostFiles) -> Finding:
    """Of what pages hold before compression, as the simulator counts."""
    total = files.fields("proc/meminfo").get("MemTotal", 0) << 10
    zram = sum(size for name, size, _ in swap_devices(files) if is_zram(name))
    if total and zram:
        return told("pool_share", "share", zram / total, "zram swap over memory")
    if zswap_on(files) and compresses_first(files):
        return missing("pool_share", "zswap's limit counts compressed pages")
    return told("pool_share", "share", 0.0, "neither zram nor zswap is in use")


def _swap_ratio(files: HostFiles) -> Finding:
    total = files.fields("proc/meminfo").get("MemTotal", 0) << 10
    devices = [size for name, size, _ in swap_devices(files) if not is_zram(name)]
    if not total:
        return missing("swap_ratio", "/proc/meminfo does not say how much memory there is")
    return told(
        "swap_ratio", "ratio", sum(devices) / total, "swap devices over memory, /proc/swaps"
    )


def _slow_ratio(files: HostFiles, defaults: Mapping[str, tuple[float, float]]) -> list[Finding]:
    """The slow tier over the footprint: over the fast tier here, times memory over footprint."""
    nodes = memory_nodes(files)
    fast = sum(node.total_bytes for node in nodes if node.cpus)
    slow = sum(node.total_bytes for node in nodes if not node.cpus)
    if not fast or not slow:
        return [told("slow_ratio", "ratio", 0.0, "no node without CPUs has memory")]
    how = "nodes without CPUs over nodes with, times memory_ratio"
    ends = [slow / fast * end for end in defaults.get("memory_ratio", (1.0, 1.0))]
    return [Finding("slow_ratio", "ratio", "read", tuple(ends), how)]
