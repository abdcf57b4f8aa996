"""Asks the kernel to reclaim from one control group, a little in each interval."""

from __future__ import annotations

import contextlib
import errno
from dataclasses import dataclass

from damon_tuner.errors import (
    DamonMissingError,
    NoPermissionError,
    NotRestoredError,
    TunerError,
)
from damon_tuner.kernel_iface.host import U64_MAX
from damon_tuner.kernel_iface.sysfs.actors.actor import ActorStats
from damon_tuner.kernel_iface.sysfs.actors.back_off import BackOff
from damon_tuner.kernel_iface.sysfs.actors.pace import Allowance, Pace
from damon_tuner.kernel_iface.sysfs.actors.strain import Strain
from damon_tuner.kernel_iface.sysfs.actors.tally import Tally
from damon_tuner.kernel_iface.sysfs.observe.cgroup import cgroup_mount
from damon_tuner.kernel_iface.sysfs.observe.table import whole
from damon_tuner.kernel_iface.sysfs.slow_write import SlowWrite
from damon_tuner.kernel_iface.sysfs.tree import Tree
from damon_tuner.signals import signals_held

# The kernel reclaims 32 pages at least, whatever it is asked for.
LEAST_BYTES = 32 * 4096

_CANCEL_S = 10.0

# Everything else depends on them, and every other group has a service that can be restarted.
_PROTECTED = ("", "init.scope")


@dataclass(frozen=True, slots=True)
class ReclaimRequest:
    """Reclaim from the control group at ``path`` below the mount of version 2, and all below it.

    The root, ``init.scope`` and what is in it are refused; so is every group that this process is
    in, unless ``own`` is set.
    """

    path: str
    pace: Pace
    """In bytes that are asked for."""
    floor_bytes: int
    """``memory.current`` must not fall below this; nor below ``memory.min`` and ``memory.low``."""
    psi_some_permille: int = 10
    """Nothing is reclaimed while the group's tasks wait for memory for a larger share."""
    swappiness: int | None = None
    """0 takes files only, 200 anonymous memory only where it can; None is the host's setting."""
    own: bool = False
    timeout_s: float = 10.0
    """How long the kernel may take over one request."""

    def __post_init__(self) -> None:
        """Refuse groups that are protected, and amounts that make no sense (``ValueError``)."""
        parts = self.path.strip("/").split("/")
        if any(part in (".", "..") for part in parts) or "" in parts[1:]:
            raise ValueError(f"{self.path!r} is no path of a control group")
        if parts[0] in _PROTECTED:
            raise ValueError(
                f"control group {self.path!r} is protected: name one below it, such as "
                "system.slice/NAME.service"
            )
        if self.pace.amount < LEAST_BYTES:
            raise ValueError(f"the kernel reclaims no less than {LEAST_BYTES} bytes at a time")
        if self.floor_bytes < 0 or self.timeout_s <= 0:
            raise ValueError("reclaim needs a floor of 0 bytes or more and a time limit above 0 s")
        if self.swappiness is not None and not 0 <= self.swappiness <= 200:
            raise ValueError("swappiness is from 0 to 200")

    @property
    def key(self) -> str:
        """There is one actor for each control group."""
        return f"reclaim /{self.path.strip('/')}"


class CgroupReclaim:
    """One control group; what it reclaims comes back when it is used, so nothing is put back."""

    def __init__(self, tree: Tree, request: ReclaimRequest) -> None:
        self._tree = tree
        self._request = request
        mount = cgroup_mount(tree)
        self._folder = f"{mount.path if mount else 'sys/fs/cgroup'}/{request.path.strip('/')}"
        self._strain = Strain(tree, f"{self._folder}/memory.pressure")
        self._back_off: BackOff[str] = BackOff()
        self._allowance = Allowance()
        self._tally = Tally()
        self._asked: tuple[int, int, SlowWrite] | None = None

    @property
    def stats(self) -> ActorStats:
        """What it has done; applied bytes are those by which ``memory.current`` fell meanwhile."""
        return self._tally.stats(self._allowance.nr_exceeds)

    def check(self) -> None:
        """Refuse a group that is not there, cannot be reclaimed from, or is this process's."""
        path = self._request.path.strip("/")
        if not self._tree.exists(f"{self._folder}/memory.current"):
            raise DamonMissingError(
                f"/{self._folder} is no control group with memory: start what it belongs to, and "
                "write +memory to the cgroup.subtree_control of the group above it"
            )
        if not self._tree.exists(f"{self._folder}/memory.reclaim"):
            raise DamonMissingError(
                f"/{self._folder}/memory.reclaim does not exist: use Linux 5.19 or newer"
            )
        if not self._request.own and self._holds_this_process(path):
            raise NoPermissionError(
                f"control group {path} holds damon-tuner itself: name another, or ask for own"
            )
        self._tree.require_writable(f"{self._folder}/memory.reclaim")
        self._strain.check()

    def apply(self, request: ReclaimRequest) -> None:
        """Follow another request, for the same group, from now on."""
        if request.swappiness != self._request.swappiness:
            self._back_off.succeeded("")
        self._request = request

    def advance(self, now_us: int) -> None:
        """See what came of the last request, or ask for as much as the limits allow."""
        calm = self._strain.calm(self._request.psi_some_permille, now_us)
        try:
            if self._asked is not None:
                self._await(*self._asked, calm, now_us)
            elif not self._back_off.rests("", now_us):
                self._ask(calm, now_us)
        except TunerError as error:
            self._back_off.failed("", now_us)
            self._tally.failed(str(error))

    def release(self) -> None:
        """End a request that is underway; raises ``NotRestoredError`` when it does not end."""
        if self._asked is None:
            return
        held_bytes, wanted_bytes, write = self._asked
        if (result := write.cancel(_CANCEL_S)) is None:
            raise NotRestoredError(
                f"the kernel still reclaims from /{self._folder}, for at most "
                f"{self._request.timeout_s:g} s"
            )
        # Only the statistics need the group, which may be gone.
        with contextlib.suppress(TunerError):
            self._ended(held_bytes, wanted_bytes, result, self._tree.kernel.now_us())

    def _ask(self, calm: bool, now_us: int) -> None:
        held_bytes = self._bytes("memory.current")
        room_bytes = held_bytes - self._floor_bytes()
        if not calm or room_bytes < LEAST_BYTES:
            self._tally.held_back()
            return
        wanted_bytes = self._allowance.left(self._request.pace, room_bytes, now_us)
        if wanted_bytes < LEAST_BYTES:
            return
        self._allowance.charge(wanted_bytes)
        self._tally.tried(wanted_bytes)
        how = "" if self._request.swappiness is None else f" swappiness={self._request.swappiness}"
        # A child that nobody knows of could not be stopped.
        with signals_held():
            write = self._tree.start_write(
                f"{self._folder}/memory.reclaim", f"{wanted_bytes}{how}", self._request.timeout_s
            )
            self._asked = held_bytes, wanted_bytes, write

    def _await(
        self, held_bytes: int, wanted_bytes: int, write: SlowWrite, calm: bool, now_us: int
    ) -> None:
        result = write.poll() if calm else write.cancel(0)
        if result is not None:
            self._ended(held_bytes, wanted_bytes, result, now_us)

    def _ended(self, held_bytes: int, wanted_bytes: int, result: int, now_us: int) -> None:
        self._asked = None
        taken_bytes = min(wanted_bytes, max(0, held_bytes - self._bytes("memory.current")))
        if taken_bytes:
            self._tally.applied(taken_bytes)
        if result == 0 or (result == errno.EAGAIN and taken_bytes >= wanted_bytes // 2):
            self._back_off.succeeded("")
        elif result == errno.EINTR:
            self._tally.held_back()
        else:
            self._back_off.failed("", now_us, for_good=result == errno.EINVAL)
            self._tally.failed(self._why(result))

    def _why(self, result: int) -> str:
        name = errno.errorcode.get(result, str(result))
        reasons = {
            errno.EAGAIN: "less could be reclaimed than was asked for",
            errno.ETIMEDOUT: "it took longer than its time limit",
            errno.EINVAL: "this kernel does not take swappiness there: ask without it",
        }
        reason = reasons.get(result, "the kernel gives no reason")
        return f"/{self._folder}/memory.reclaim ({name}): {reason}"

    def _floor_bytes(self) -> int:
        own = (self._bytes("memory.min"), self._bytes("memory.low"))
        return max(self._request.floor_bytes, *own)

    def _bytes(self, name: str) -> int:
        path = f"{self._folder}/{name}"
        text = self._tree.read(path)
        return U64_MAX if text == "max" else whole(text, path)

    def _holds_this_process(self, path: str) -> bool:
        lines = (self._tree.read_if_present("proc/self/cgroup") or "").splitlines()
        own = next((line[3:].strip("/") for line in lines if line.startswith("0::")), "")
        return f"{own}/".startswith(f"{path}/")
