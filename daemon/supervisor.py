"""All tenants of the host: found, started, decided for once a round, and given back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from damon_tuner.daemon.chooser import Chooser, Trusted
from damon_tuner.daemon.config import Config, TenantConfig
from damon_tuner.daemon.host_watch import HostWatch
from damon_tuner.daemon.managed import ManagedTenant
from damon_tuner.daemon.outcome import Outcome
from damon_tuner.daemon.status import TenantStatus
from damon_tuner.daemon.tenants import Finder, Found
from damon_tuner.errors import (
    LeftoverError,
    NotRestoredError,
    TakenOverError,
    TargetGoneError,
    TunerError,
)
from damon_tuner.kernel_iface.host import Context, Target
from damon_tuner.kernel_iface.sysfs.lease import LEASE_S
from damon_tuner.kernel_iface.sysfs.observe.swap import readahead_pages
from damon_tuner.kernel_iface.sysfs.session import Session
from damon_tuner.kernel_iface.sysfs.session_host import SessionHost
from damon_tuner.policies.decision import MONITORING, GuardLimits
from damon_tuner.policies.static import STATIC_POLICIES, StaticPolicy

# A decision that comes late must not let the schemes stop meanwhile.
_LEASED_INTERVALS = 6

# A tenant that fails so often in a row is let go, and tried again after a while that doubles.
_FAILURES_IN_A_ROW = 3
_FIRST_PAUSE_S = 30.0
_LONGEST_PAUSE_S = 900.0

# How long DAMON is kept without a tenant: one that restarts is back before.
_IDLE_S = 30.0


@dataclass(slots=True)
class _Trouble:
    """What a tenant has failed with, and when it is tried again."""

    reason: str = ""
    in_a_row: int = 0
    retry_s: float = 0.0
    pause_s: float = _FIRST_PAUSE_S


class Supervisor:
    """Manages the tenants of ``config`` by ``policy``.

    ``make_session`` makes what is to be taken of the host; ``swap_in_us`` is what a major fault
    costs; ``warn`` is told each thing that people should know, once.
    """

    def __init__(
        self,
        config: Config,
        policy: Trusted,
        *,
        make_session: Callable[[int], Session],
        swap_in_us: float,
        warn: Callable[[str], None],
    ) -> None:
        self._make_session = make_session
        self._session = make_session(config.max_tenants)
        self._config = config
        self._policy = policy
        self._swap_in_us = swap_in_us
        self._warn = warn
        self._tenants: dict[str, ManagedTenant] = {}
        # Those that could not be ended yet, and how often that was tried.
        self._leaving: dict[ManagedTenant, int] = {}
        self._found: list[Found] = []
        self._troubles: dict[str, _Trouble] = {}
        self._idle_since_s: float | None = None
        self._finder = self._new_finder()
        self._started_s = self._now_s()
        self.watch = HostWatch(self._session.tree, config.breaker)
        self.is_paused = False
        self.stood_down = ""
        self.failures = 0

    @property
    def config(self) -> Config:
        """What it goes by."""
        return self._config

    @property
    def phase(self) -> tuple[str, str]:
        """What it is doing, and why it is not simply managing."""
        if self.is_paused:
            return "paused", "until damon-tuner resume"
        if self.stood_down:
            return "stood down", self.stood_down
        if not self._tenants:
            none = "no tenant is configured" if not self._config.tenants else "no tenant is there"
            return "idle", none
        return "managing", ""

    def check(self) -> None:
        """Refuse a host that cannot be managed; writes nothing. Raises what ``Session`` raises."""
        self._session.check()

    def round(self) -> Iterator[Outcome]:
        """Look for tenants, and decide for each; yields what was decided.

        Whatever fails with one tenant leaves the others. Where DAMON is somebody else's, or the
        host cannot be managed, everything is given back and nothing is done until ``resume``.
        """
        if self.is_paused or self.stood_down:
            return
        try:
            self._see_off_those_leaving()
            self._found = self._finder.find()
            tripped = self.watch.look()
            self._let_go_of_those_gone()
            self._take_up_those_there()
        except TunerError as error:
            self._stand_down(error)
            return
        for name, tenant in tuple(self._tenants.items()):
            outcome = self._decide(name, tenant, tripped)
            if outcome is not None:
                yield outcome
            if self.stood_down:
                return
        self._release_if_idle()

    def flush(self) -> float | None:
        """Bring what was held back and is due; return in how many seconds the next of it is."""
        if not self._session.is_open:
            return None
        try:
            with self._session.tree.sensible():
                due_us = self._session.damon.flush()
        except TakenOverError as error:
            self._stand_down(error)
            return None
        except TunerError:
            # It is given up, and what comes of that the next round shows.
            return None
        now_us = self._session.kernel.now_us()
        return None if due_us is None else max(due_us - now_us, 0) / 1e6

    def pause(self) -> None:
        """Give everything back, and do nothing until ``resume``."""
        self.is_paused = True
        self._give_back()

    def resume(self) -> None:
        """Go on after ``pause``, or after standing down."""
        self.is_paused, self.stood_down = False, ""
        self._troubles.clear()

    def reconfigure(self, config: Config, policy: Trusted) -> None:
        """Go on by another configuration; tenants that stay keep what is known of them."""
        before, self._config, self._policy = self._config, config, policy
        self._finder = self._new_finder()
        self._started_s = self._now_s()
        self.watch.limits = config.breaker
        self._troubles.clear()
        if config.max_tenants != before.max_tenants:
            self._give_back()
            self._session = self._make_session(config.max_tenants)
        configs = {tenant.name: tenant for tenant in config.tenants}
        for name, tenant in tuple(self._tenants.items()):
            now = configs.get(tenant.found.config.name)
            if now is None or not _is_same(tenant.found.config, now):
                self._let_go(name)
                continue
            self._reconfigure_one(name, tenant, now)

    def stop(self) -> None:
        """Give everything back.

        Raises:
            NotRestoredError: names what is left and the commands that mend it.
        """
        tenants = [*self._tenants.values(), *self._leaving]
        self._session.close()
        for tenant in tenants:
            tenant.stop()
        self._tenants, self._leaving, self._idle_since_s = {}, {}, None

    def statuses(self) -> tuple[TenantStatus, ...]:
        """Tell of each tenant that is configured or was found, in that order."""
        return tuple(self._status(found) for found in self._found)

    def _decide(
        self, name: str, tenant: ManagedTenant, tripped: tuple[str, ...]
    ) -> Outcome | None:
        try:
            outcome = tenant.round(tripped, self._now_s() - self._started_s)
        except TargetGoneError:
            self._let_go(name)
        except (TakenOverError, LeftoverError) as error:
            self._stand_down(error)
        except TunerError as error:
            self._failed(name, error)
        else:
            self._troubles.pop(name, None)
            return outcome
        return None

    def _let_go_of_those_gone(self) -> None:
        there = {found.name: found for found in self._found if found.pids}
        for name, tenant in tuple(self._tenants.items()):
            found = there.get(name)
            # Where every process is another one, nothing that is known of it holds.
            if found is None or not set(found.pids) & set(tenant.host.pids):
                self._let_go(name)
                continue
            try:
                tenant.follow(found)
            except TargetGoneError:
                self._let_go(name)

    def _take_up_those_there(self) -> None:
        for found in self._found:
            trouble = self._troubles.get(found.name)
            if not found.pids or found.name in self._tenants:
                continue
            if trouble is not None and self._now_s() < trouble.retry_s:
                continue
            if len(self._tenants) >= self._config.max_tenants:
                break
            self._take_up(found)

    def _take_up(self, found: Found) -> None:
        """Start to monitor a tenant; what is wrong with it alone is not the others' trouble."""
        if not self._session.is_open:
            self._session.open()
        host = SessionHost(
            self._session,
            Context(targets=tuple(map(Target, found.pids)), attrs=MONITORING),
            swap_in_us=self._swap_in_us,
            lease_s=max(LEASE_S, _LEASED_INTERVALS * self._config.interval_s),
        )
        try:
            host.start(())
        except TargetGoneError:
            return
        except TakenOverError:
            raise
        except TunerError as error:
            self._failed(found.name, error)
            return
        self._tenants[found.name] = ManagedTenant(
            found,
            host,
            self._chooser(found.config),
            self._config.mode,
            readahead_pages=readahead_pages(self._session.tree),
        )

    def _chooser(self, config: TenantConfig) -> Chooser:
        return Chooser(self._policy, self._fallback(), config.budget, _limits(config))

    def _reconfigure_one(self, name: str, tenant: ManagedTenant, config: TenantConfig) -> None:
        found = tenant.found
        now = Found(found.name, found.source, config, found.pids)
        tenant.chooser.reconfigure(self._policy, self._fallback(), config.budget, _limits(config))
        try:
            tenant.reconfigure(now, self._config.mode)
        except TakenOverError as error:
            self._stand_down(error)
        except TunerError:
            # It starts anew, in the mode that is asked for.
            self._let_go(name)

    def _failed(self, name: str, error: TunerError) -> None:
        self.failures += 1
        trouble = self._troubles.setdefault(name, _Trouble())
        trouble.in_a_row += 1
        if trouble.reason != str(error):
            trouble.reason = str(error)
            self._warn(f"{name}: {error}")
        tenant = self._tenants.get(name)
        if tenant is not None:
            tenant.trouble = trouble.reason
        if tenant is None or trouble.in_a_row >= _FAILURES_IN_A_ROW:
            trouble.retry_s = self._now_s() + trouble.pause_s
            trouble.pause_s = min(2 * trouble.pause_s, _LONGEST_PAUSE_S)
            self._let_go(name)

    def _let_go(self, name: str) -> None:
        tenant = self._tenants.pop(name, None)
        if tenant is not None:
            self._leaving[tenant] = 0
            self._see_off_those_leaving()

    def _see_off_those_leaving(self) -> None:
        """End them; a kernel that is busy just now is asked again in the next round."""
        for tenant in tuple(self._leaving):
            try:
                tenant.stop()
            except NotRestoredError as error:
                self._leaving[tenant] += 1
                if self._leaving[tenant] >= _FAILURES_IN_A_ROW:
                    self._stand_down(error)
                    return
            else:
                del self._leaving[tenant]

    def _stand_down(self, error: TunerError) -> None:
        """Leave DAMON to whoever uses it, until told otherwise."""
        self.failures += 1
        self.stood_down = str(error)
        self._warn(f"standing down until damon-tuner resume: {error}")
        self._give_back()

    def _give_back(self) -> None:
        try:
            self.stop()
        except TunerError as error:
            self.failures += 1
            self._warn(str(error))

    def _release_if_idle(self) -> None:
        if self._tenants or self._leaving or not self._session.is_open:
            self._idle_since_s = None
            return
        now_s = self._now_s()
        if self._idle_since_s is None:
            self._idle_since_s = now_s
        elif now_s - self._idle_since_s >= _IDLE_S:
            self._give_back()

    def _status(self, found: Found) -> TenantStatus:
        tenant = self._tenants.get(found.name)
        if tenant is not None:
            return tenant.status()
        trouble = self._troubles.get(found.name)
        if found.is_protected:
            phase, reason = "protected", found.reason
        elif trouble is not None:
            phase, reason = "failing", trouble.reason
        else:
            phase, reason = "waiting", found.reason or self._why_waiting()
        return _absent(found, phase, reason)

    def _why_waiting(self) -> str:
        if self.is_paused or self.stood_down:
            return self.phase[0]
        return f"there is room for {self._config.max_tenants} tenants: raise max_tenants"

    def _new_finder(self) -> Finder:
        config = self._config
        return Finder(self._session.tree, config.tenants, config.protected_cgroups)

    def _fallback(self) -> StaticPolicy:
        return STATIC_POLICIES[self._config.fallback]

    def _now_s(self) -> float:
        return self._session.kernel.now_us() / 1e6


def _is_same(before: TenantConfig, now: TenantConfig) -> bool:
    """Whether both name the same processes."""
    return (before.pid, before.pid_file, before.unit, before.cgroup) == (
        now.pid,
        now.pid_file,
        now.unit,
        now.cgroup,
    )


def _limits(config: TenantConfig) -> GuardLimits:
    limits = config.limits
    return GuardLimits(limits.min_age_s, limits.max_quota_bytes_per_s, limits.max_age_division)


_NOTHING: Mapping[str, float] = {}


def _absent(found: Found, phase: str, reason: str) -> TenantStatus:
    return TenantStatus(
        name=found.name,
        source=found.source,
        pids=found.pids,
        phase=phase,
        reason=reason,
        budget=found.config.budget,
        price=found.config.price,
        slowdown=None,
        slowdown_300s=None,
        resident_bytes=0,
        swapped_bytes=0,
        saved_bytes=0,
        knobs=_NOTHING,
        guard=(),
        decisions=0,
        breaches=0,
        heat=_NOTHING,
        nr_regions=0,
    )
