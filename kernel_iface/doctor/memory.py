"""Where memory can go: swap, compression, slower tiers, huge pages, containers."""

from __future__ import annotations

from dataclasses import asdict

from damon_tuner.kernel_iface.doctor.finding import Verdict, missing, ok
from damon_tuner.kernel_iface.sysfs.observe.cgroup import cgroup_mount
from damon_tuner.kernel_iface.sysfs.observe.huge_pages import huge_pages
from damon_tuner.kernel_iface.sysfs.observe.nodes import Node, nodes, tiering
from damon_tuner.kernel_iface.sysfs.observe.pressure import system_pressure
from damon_tuner.kernel_iface.sysfs.observe.swap import swap_devices, zram_devices, zswap
from damon_tuner.kernel_iface.sysfs.tree import Tree
from damon_tuner.units import size_text

_THP = "/sys/kernel/mm/transparent_hugepage/enabled"


def pressure(tree: Tree) -> Verdict:
    """Tell whether the kernel measures how long tasks wait for memory."""
    found = system_pressure(tree)
    if found is None:
        return missing(
            "the kernel does not measure memory pressure",
            means="the guard could not see that memory has become short",
            remedy="boot with psi=1, or use a kernel built with CONFIG_PSI",
        )
    waited_s = found.some_us / 1e6
    return ok(f"tasks have waited {waited_s:.1f} s for memory since boot", **asdict(found))


def swap(tree: Tree) -> Verdict:
    """Tell whether there is a place to page out to."""
    devices = swap_devices(tree)
    if not devices:
        return missing(
            "no swap",
            means="anonymous memory cannot be paged out",
            remedy="add a swap device, or zram: zramctl --find --size SIZE, mkswap, swapon",
        )
    said = ", ".join(f"{d.path} ({size_text(d.size_bytes)})" for d in devices)
    used = size_text(sum(device.used_bytes for device in devices))
    return ok(f"{said}, {used} used", devices=[asdict(device) for device in devices])


def compression(tree: Tree) -> Verdict:
    """Tell whether what is paged out stays in memory, compressed."""
    devices = swap_devices(tree)
    cache = zswap(tree)
    facts: dict[str, object] = {
        "zram": [asdict(device) for device in zram_devices(tree)],
        "zswap": None if cache is None else asdict(cache),
    }
    if devices and cache is not None and cache.enabled:
        return ok(f"zswap ({cache.compressor}) in front of {devices[0].path}", **facts)
    if devices and devices[0].is_zram:
        return ok(f"{devices[0].path} is zram", **facts)
    return missing(
        "paged-out memory is not compressed" if devices else "no compressed swap",
        means="each fault on paged-out memory waits for storage",
        remedy="swap to zram, or write Y to /sys/module/zswap/parameters/enabled",
        **facts,
    )


def huge(tree: Tree) -> Verdict:
    """Tell whether schemes can ask for huge pages."""
    found = huge_pages(tree)
    means = "schemes cannot give hot memory huge pages"
    if found is None:
        return missing(
            "the kernel has no transparent huge pages",
            means=means,
            remedy="use a kernel built with CONFIG_TRANSPARENT_HUGEPAGE",
        )
    facts = asdict(found)
    facts["sizes"] = {str(size): setting for size, setting in found.sizes.items()}
    if found.enabled == "never":
        return missing("off", means=means, remedy=f"write madvise to {_THP}", **facts)
    return ok(f"{found.enabled}, defrag {found.defrag or 'unknown'}", **facts)


def tiers(tree: Tree) -> Verdict:
    """Tell whether there is slower memory to demote to."""
    found = nodes(tree)
    kernel = tiering(tree)
    facts: dict[str, object] = {"nodes": [_node(n) for n in found], "kernel": asdict(kernel)}
    if len({_tier(node) for node in found}) < 2:
        return missing(
            "all memory is of one tier",
            means="no promotion and no demotion by schemes",
            remedy="add memory of a second tier, such as CXL memory that is a node of its own",
            **facts,
        )
    said = ", ".join(
        f"node {n.number} ({size_text(n.total_bytes)}, tier {_tier(n)})" for n in found
    )
    by_itself = [
        name for name, on in (("demotes", kernel.demotion), ("promotes", kernel.promotion)) if on
    ]
    details = (f"the kernel {' and '.join(by_itself)} by itself as well",) if by_itself else ()
    return ok(said, *details, **facts)


def cgroups(tree: Tree) -> Verdict:
    """Tell whether containers can be told apart."""
    means = "no budgets for each container, no schemes by container"
    mount = cgroup_mount(tree)
    if mount is None:
        return missing(
            "cgroup v2 is not mounted",
            means=means,
            remedy="mount -t cgroup2 cgroup2 /sys/fs/cgroup",
        )
    facts = asdict(mount)
    if "memory" not in mount.controllers:
        return missing(
            f"/{mount.path} has no memory controller, which cgroup v1 may hold",
            means=means,
            remedy="boot with systemd.unified_cgroup_hierarchy=1, without cgroup_disable=memory",
            **facts,
        )
    if "memory" not in mount.delegated:
        return missing(
            "no group has the memory controller",
            means=means,
            remedy=f"write +memory to /{mount.path}/cgroup.subtree_control",
            **facts,
        )
    return ok(f"/{mount.path}, {' '.join(mount.delegated)}", **facts)


def _tier(node: Node) -> int | str:
    """The kernel's number, or what it would be taken for by its CPUs."""
    if node.tier is not None:
        return node.tier
    return "with CPUs" if node.cpus else "without CPUs"


def _node(node: Node) -> dict[str, object]:
    facts = asdict(node)
    facts["distances"] = {str(to): distance for to, distance in node.distances.items()}
    return facts
