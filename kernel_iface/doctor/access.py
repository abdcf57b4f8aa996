"""Whether this user may observe and change the kernel at all."""

from __future__ import annotations

from damon_tuner.kernel_iface.doctor.finding import Verdict, missing, ok, unknown
from damon_tuner.kernel_iface.sysfs.observe.table import whole
from damon_tuner.kernel_iface.sysfs.tree import Tree

_STATUS = "proc/self/status"
_UID_MAP = "proc/self/uid_map"
_MOUNTS = "proc/self/mounts"
_TRACING = "sys/kernel/tracing"
_ALL_USERS = 2**32 - 1


def user(tree: Tree) -> Verdict:
    """Tell whether this is root, of the host itself."""
    uid = _effective_uid(tree.read_if_present(_STATUS) or "")
    if uid is None:
        return unknown(f"/{_STATUS} does not say which user this is")
    if uid != 0:
        return missing(
            f"user {uid}",
            means="DAMON's files belong to root",
            remedy="run as root",
            uid=uid,
        )
    mapped = (tree.read_if_present(_UID_MAP) or "").split()
    if mapped and whole(mapped[-1], _UID_MAP) < _ALL_USERS:
        return missing(
            "root of a container only",
            means="DAMON's files belong to the host's root",
            remedy="run on the host itself",
            uid=uid,
        )
    return ok("root", uid=uid)


def _effective_uid(status: str) -> int | None:
    """The second of real, effective, saved and file system user."""
    for words in map(str.split, status.splitlines()):
        if words[:1] == ["Uid:"] and len(words) > 2:
            return whole(words[2], _STATUS)
    return None


def writable(tree: Tree) -> Verdict:
    """Tell whether sysfs is mounted where it can be written to."""
    options = [
        fields[3].split(",")
        for fields in map(str.split, tree.read(_MOUNTS).splitlines())
        if len(fields) >= 4 and fields[1] == "/sys" and fields[2] == "sysfs"
    ]
    if not options:
        return missing(
            "sysfs is not mounted at /sys",
            means="nothing of the kernel can be seen or changed",
            remedy="mount -t sysfs sysfs /sys",
        )
    # What is mounted last hides what is below.
    if "ro" in options[-1]:
        return missing(
            "/sys is mounted read-only",
            means="DAMON can be looked at, not used",
            remedy="run on the host itself, or give the container a writable /sys",
        )
    return ok("/sys can be written to")


def tracing(tree: Tree) -> Verdict:
    """Tell whether DAMON's tracepoints can be read."""
    means = "regions are read through sysfs, which costs more and waits for an interval"
    if "events" not in tree.names(_TRACING):
        return missing(
            f"tracefs is not mounted at /{_TRACING}",
            means=means,
            remedy=f"mount -t tracefs tracefs /{_TRACING}",
        )
    events = [e for e in tree.names(f"{_TRACING}/events/damon") if e.startswith("damo")]
    if not events:
        return missing(
            "the kernel cannot trace DAMON",
            means=means,
            remedy="use a kernel built with CONFIG_TRACEPOINTS and CONFIG_FTRACE",
        )
    return ok(f"{len(events)} tracepoints of DAMON", events=events)
