"""Which processes are a tenant's now: what the configuration names is looked up on the host."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from damon_tuner.daemon.config import TenantConfig
from damon_tuner.daemon.identity import Identities
from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.sysfs.observe.cgroup import CONTROLLERS, cgroup_mount
from damon_tuner.kernel_iface.sysfs.tree import Tree

MOST_PROCESSES = 16
"""How many processes of one tenant are monitored: the largest."""

# Where systemd puts the units of the system, below the mount of cgroup v2. Those of users are
# theirs to name as they like: they are managed where a control group says so.
_UNIT_FOLDERS = ("system.slice", "system.slice/*", "machine.slice")

# How far below a tenant's cgroup its processes are looked for, and in how many cgroups.
_DEPTH = 4

_MOST_CGROUPS = 256

# How many tenants one pattern can be.
_MOST_MATCHES = 64
_PID_FILE_BYTES = 64
_MOST_DIGITS = 10
_WILD = frozenset("*?[")
_INIT = 1


@dataclass(frozen=True, slots=True)
class Found:
    """One tenant as it is now; ``reason`` says why it has no processes to manage.

    ``name`` tells it from every other; ``source`` says to people what it is.
    """

    name: str
    source: str
    config: TenantConfig
    pids: tuple[int, ...] = ()
    reason: str = ""
    is_protected: bool = False
    is_unknown: bool = False
    """It could not be looked up just now, and may well be there."""
    cgroup: str | None = None
    """Below the mount, where the tenant is all of a control group."""


class Finder:
    """Looks for ``tenants`` on the host of ``tree``; never finds what is ``protected``.

    ``protected`` are patterns of cgroups below the mount; what lies in them is protected as well.
    """

    def __init__(
        self, tree: Tree, tenants: Sequence[TenantConfig], protected: Sequence[str]
    ) -> None:
        self._tree = tree
        self._tenants = tenants
        self._protected = protected
        self._identities = Identities(tree)

    def find(self) -> list[Found]:
        """Return every tenant that is configured, in that order; a pattern is as many as match.

        A process belongs to the first that claims it.
        """
        taken = {_INIT, os.getpid()}
        found: list[Found] = []
        for config in self._tenants:
            try:
                tenants = list(self._look_up(config))
            except TunerError as error:
                source = config.unit or config.cgroup or config.name
                tenants = [Found(config.name, source, config, reason=str(error), is_unknown=True)]
            for tenant in tenants:
                pids = tuple(pid for pid in tenant.pids if pid not in taken)
                taken.update(pids)
                # Pages of a group are not told apart by process.
                whole = tenant if pids == tenant.pids else replace(tenant, cgroup=None)
                found.append(self._judged_safely(whole, pids))
        return found

    def _judged_safely(self, tenant: Found, pids: tuple[int, ...]) -> Found:
        try:
            return self._judged(tenant, pids)
        except TunerError as error:
            return replace(tenant, pids=(), reason=str(error), is_unknown=True)

    def _look_up(self, config: TenantConfig) -> Iterator[Found]:
        if config.pid is not None:
            yield self._of_pid(config, config.pid)
        elif config.pid_file is not None:
            yield self._of_pid_file(config, config.pid_file)
        elif config.unit is not None:
            yield from self._of_cgroups(config, f"unit {config.unit}", _of_unit(config.unit))
        else:
            path = config.cgroup or ""
            yield from self._of_cgroups(config, f"cgroup {path}", [path])

    def _of_pid(self, config: TenantConfig, pid: int) -> Found:
        found = Found(config.name, f"pid {pid}", config, (pid,))
        try:
            self._identities.require_same(config.name, pid)
        except TunerError as error:
            return replace(found, pids=(), reason=str(error))
        return found

    def _of_pid_file(self, config: TenantConfig, path: Path) -> Found:
        source = f"pid file {path}"
        try:
            pid = read_pid_file(path)
            self._identities.require_older(pid, path)
            return Found(config.name, source, config, (pid,))
        except TunerError as error:
            return Found(config.name, source, config, reason=str(error))

    def _of_cgroups(
        self, config: TenantConfig, source: str, patterns: Iterable[str]
    ) -> Iterator[Found]:
        mount = cgroup_mount(self._tree)
        if mount is None:
            yield Found(config.name, source, config, reason="cgroup v2 is not mounted here")
            return
        paths = [path for pattern in patterns for path in self._matching(mount.path, pattern)]
        # A name must not depend on what else there is: a match of a pattern has its whole path.
        is_pattern = bool(_WILD & set(config.unit or config.cgroup or ""))
        for path in paths[: _MOST_MATCHES if is_pattern else 1]:
            name = f"{config.name}:{path}" if is_pattern else config.name
            pids = self._processes(f"{mount.path}/{path}")
            yield Found(name, f"cgroup {path}", config, tuple(pids), cgroup=path)
        if not paths:
            yield Found(config.name, source, config, reason="there is no such cgroup now")
        elif is_pattern and len(paths) > _MOST_MATCHES:
            why = f"{len(paths)} match, and only {_MOST_MATCHES} are looked at: narrow the pattern"
            yield Found(config.name, source, config, reason=why)

    def _matching(self, mount: str, pattern: str) -> list[str]:
        """Return the cgroups that a pattern matches, component by component."""
        paths = [""]
        for part in pattern.strip("/").split("/"):
            if _WILD & set(part):
                paths = [
                    f"{path}/{name}"
                    for path in paths
                    for name in self._tree.names(f"{mount}{path}")
                    if fnmatchcase(name, part)
                ]
            else:
                paths = [f"{path}/{part}" for path in paths]
        return [path[1:] for path in paths if self._tree.exists(f"{mount}{path}/cgroup.procs")]

    def _processes(self, folder: str) -> list[int]:
        """Return the processes of a cgroup and those below it; the largest, if there are many."""
        pids: list[int] = []
        folders = [(folder, 0)]
        for _ in range(_MOST_CGROUPS):
            if not folders:
                break
            path, depth = folders.pop()
            # Threaded cgroups and those that have just gone have nothing to read.
            try:
                text = self._tree.read_if_present(f"{path}/cgroup.procs") or ""
            except TunerError:
                continue
            pids += [int(word) for word in text.split() if word.isdecimal()]
            if depth < _DEPTH:
                folders += [(below, depth + 1) for below in self._below(path)]
        if len(pids) > MOST_PROCESSES:
            pids = sorted(pids, key=self._resident_pages, reverse=True)[:MOST_PROCESSES]
        return sorted(pids)

    def _below(self, path: str) -> Iterator[str]:
        for name in self._tree.names(path):
            if name.partition(".")[0] not in CONTROLLERS:
                below = f"{path}/{name}"
                if self._tree.exists(f"{below}/cgroup.procs"):
                    yield below

    def _resident_pages(self, pid: int) -> int:
        text = self._tree.read_if_present(f"proc/{pid}/statm") or ""
        words = text.split()
        return int(words[1]) if len(words) > 1 and words[1].isdecimal() else 0

    def _judged(self, tenant: Found, pids: tuple[int, ...]) -> Found:
        if tenant.reason:
            return tenant
        for pid in pids:
            if (why := self._protection(pid)) is not None:
                return replace(tenant, pids=(), reason=why, is_protected=True)
        alive = tuple(pid for pid in pids if self._tree.exists(f"proc/{pid}/stat"))
        if alive:
            return replace(tenant, pids=alive)
        if tenant.pids and not pids:
            why = "its processes are another tenant's, or never managed"
            return replace(tenant, pids=(), reason=why)
        return replace(tenant, pids=(), reason="no process of it is there now")

    def _protection(self, pid: int) -> str | None:
        text = self._tree.read_if_present(f"proc/{pid}/cgroup")
        # hierarchy:controllers:path, with one hierarchy in version 2 and several in version 1
        lines = (text or "").splitlines()
        paths = [line.split(":", 2)[2] for line in lines if line.count(":") > 1]
        if text is not None and not paths:
            return f"the control group of process {pid} cannot be told"
        for path in (path.strip("/") for path in paths):
            parts = path.split("/")
            above = ["/".join(parts[: end + 1]) for end in range(len(parts))]
            for pattern in self._protected:
                if any(fnmatchcase(each, pattern.strip("/")) for each in above):
                    return f"process {pid} is in {path}, which is protected ({pattern})"
        return None


def read_pid_file(path: Path) -> int:
    """Return the process that a file names.

    Raises:
        TunerError: there is no such file, or no number in it.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            is_file = stat.S_ISREG(os.fstat(fd).st_mode)
            text = file.read(_PID_FILE_BYTES) if is_file else b""
    except OSError as error:
        raise TunerError(f"{path} cannot be read ({error.strerror})") from None
    word = text.strip()
    if not word.isdigit() or len(word) > _MOST_DIGITS or int(word) < 1:
        raise TunerError(f"{path} holds no process number")
    return int(word)


def _of_unit(unit: str) -> list[str]:
    return [f"{folder}/{unit}" for folder in _UNIT_FOLDERS]
