"""All tenants of the host: found, started, decided for once a round, and given back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from damon_tuner.daemon.chooser import Asked, Chooser, Trusted
from damon_tuner.daemon.config import Config, TenantConfig
from damon_tuner.daemon.held import Held
from damon_tuner.daemon.host_watch import HostWatch
from damon_tuner.daemon.managed import ManagedTenant
from damon_tuner.daemon.outcome import Outcome
from damon_tuner.daemon.status import TenantStatus, absent
from damon_tuner.daemon.tenants import Finder, Found
from damon_tuner.daemon.trouble import (
    FAILURES_IN_A_ROW,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    Troubles,
)
from damon_tuner.errors import NotRestoredError, TakenOverError, TargetGoneError, TunerError
from damon_tuner.kernel_iface.host import Context, Target
from damon_tuner.kernel_iface.sysfs.hands import Hands, OwnHands, hands_for, nr_slots
from damon_tuner.kernel_iface.sysfs.lease import lease_for
from damon_tuner.kernel_iface.sysfs.observe.swap import readahead_pages
from damon_tuner.kernel_iface.sysfs.session import Session
from damon_tuner.kernel_iface.sysfs.session_host import SessionHost
from damon_tuner.kernel_iface.sysfs.tree import Tree
from damon_tuner.policies.decision import MONITORING, GuardLimits
from damon_tuner.policies.rules import STATIC_POLICIES

# How long DAMON is kept without a tenant: one that restarts is back before.
_IDLE_S = 30.0


class Supervisor:
    """Manages the tenants of ``config`` by ``policy``.

    ``make_session`` makes what is to be taken of the host; ``swap_in_us`` is what a major fault
    costs, ``disk_in_us`` what one costs that reads a disk (0: as much); ``warn`` is told each
    thing that people should know, once.
    """

    def __init__(
        self,
        config: Config,
        policy: Trusted,
        *,
        make_session: Callable[[int], Session],
        swap_in_us: float,
        disk_in_us: float,
        warn: Callable[[str], None],
    ) -> None:
        self._held = Held(make_session, config.max_tenants)
        self._config, self._policy = config, policy
        self._swap_in_us, self._disk_in_us = swap_in_us, disk_in_us
        self._hands: Hands = OwnHands()
        self._make_room()
        self._warn = warn
        self._tenants: dict[str, ManagedTenant] = {}
        # Those that could not be ended yet, and in how many rounds that was tried.
        self._leaving: dict[ManagedTenant, int] = {}
        # What the guard knows of tenants outlives a pause, or a failure.
        self._choosers: dict[str, tuple[Chooser, frozenset[int]]] = {}
        self._found: list[Found] = []
        self._troubles = Troubles()
        self._finder = Finder(self._tree, config.tenants, config.protected_cgroups)
        self._started_s = self._now_s()
        self._idle_since_s: float | None = None
        self._nr_blind = 0
        self.watch = HostWatch(self._tree, config.breaker)
        self.is_paused = False
        self.stood_down = ""
        self._retry_s: float | None = None
        self._pause_s = FIRST_PAUSE_S
        self.failures = 0

    @property
    def config(self) -> Config:
        """What it goes by."""
        return self._config

    @property
    def phase(self) -> tuple[str, str]:
        """What it is doing, and why it is not simply managing."""
        unrestored = self._held.unrestored and f"not given back yet: {self._held.unrestored}"
        if self.is_paused:
            return "paused", unrestored or "until damon-tuner resume"
        if self.stood_down:
            return "stood down", self.stood_down
        if not self._tenants:
            none = "no tenant is configured" if not self._config.tenants else "no tenant is there"
            return "idle", unrestored or none
        return "managing", ""

    @property
    def is_unrestored(self) -> bool:
        """Whether something could not be put back, and may be with another try."""
        return bool(self._held.unrestored)

    def check(self) -> None:
        """Refuse a host that cannot be managed; writes nothing. Raises what ``Session`` raises."""
        self._held.session.check()

    def round(self) -> Iterator[Outcome]:
        """Look for tenants, and decide for each; yields what was decided.

        Whatever fails with one tenant leaves the others. Where the host cannot be managed,
        everything is given back and tried again after a while; where somebody else has taken what
        is ours, or it could not be put back, nothing is done until ``resume``. What could not be
        given back is tried in every round, whatever else.
        """
        if self._held.unrestored:
            self._give_back()
        if self._held.unrestored or self.is_paused or not self._may_go_on():
            return
        try:
            self._see_off_those_leaving()
            self._look_for_tenants()
            tripped = self._tripped()
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
        if not self._carry_out():
            return
        self._pause_s = FIRST_PAUSE_S
        self._release_if_idle()

    def flush(self) -> float | None:
        """Bring what was held back and is due; return in how many seconds the next of it is."""
        session = self._held.session
        if not session.is_open:
            return None
        try:
            hands_s = self._hands.advance()
            with self._tree.sensible():
                due_us = session.damon.flush()
        except TakenOverError as error:
            self._stand_down(error)
            return None
        except TunerError:
            # It is given up, and what comes of that the next round shows.
            return None
        due_s = None if due_us is None else max(due_us / 1e6 - self._now_s(), 0.0)
        return min((s for s in (due_s, hands_s) if s is not None), default=None)

    def pause(self) -> None:
        """Give everything back, and do nothing until ``resume``."""
        self.is_paused = True
        self._give_back()

    def resume(self) -> None:
        """Go on after ``pause``, or after standing down."""
        self.is_paused, self.stood_down = False, ""
        self._pause_s = FIRST_PAUSE_S
        self._troubles.clear()

    def reconfigure(
        self, config: Config, policy: Trusted, swap_in_us: float, disk_in_us: float
    ) -> None:
        """Go on by another configuration; tenants that stay keep what is known of them.

        Raises:
            NotRestoredError: another ``max_tenants`` or ``khugepaged``, or a policy that sets
                other knobs, takes giving everything back, which failed; all goes on by the
                configuration before.
        """
        before = self._config.max_tenants, self._config.khugepaged, self._policy.schema
        if before != (config.max_tenants, config.khugepaged, policy.schema):
            self._give_back()
            self._held.resize(config.max_tenants)
        self._config, self._policy = config, policy
        self._swap_in_us, self._disk_in_us = swap_in_us, disk_in_us
        self._make_room()
        self._finder = Finder(self._tree, config.tenants, config.protected_cgroups)
        self.watch.limits = config.breaker
        self._troubles.clear()
        configs = {tenant.name: tenant for tenant in config.tenants}
        for name, tenant in tuple(self._tenants.items()):
            now = configs.get(tenant.found.config.name)
            if now is None or not _is_same(tenant.found.config, now):
                self._let_go(name)
            else:
                self._reconfigure_one(name, tenant, now)
            if self.stood_down:
                return

    def stop(self) -> None:
        """Give everything back; may be called again, and then tries what failed before.

        Raises:
            NotRestoredError: names what is left and the commands that mend it.
        """
        told = self._end_tenants()
        if told:
            raise NotRestoredError(told)

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
        except TakenOverError as error:
            self._stand_down(error)
        except TunerError as error:
            self._failed(name, error)
        else:
            self._troubles.is_over(name)
            return outcome
        return None

    def _carry_out(self) -> bool:
        """Do what all decisions ask for together; whether it can go on."""
        before = self._hands.trouble
        try:
            self._hands.carry_out()
        except TakenOverError as error:
            self._stand_down(error)
            return False
        if self._hands.trouble and self._hands.trouble != before:
            self._warn(self._hands.trouble)
        return True

    def _make_room(self) -> None:
        """Have a kdamond for each tenant and node; nothing is taken yet."""
        wanted = nr_slots(self._tree, self._policy.schema.groups, self._config.max_tenants)
        if wanted != self._config.max_tenants and not self._held.session.is_open:
            self._held.resize(wanted)

    def _look_for_tenants(self) -> None:
        """Find them, and let go of those that are not there any more."""
        self._found = self._finder.find()
        self._troubles.keep({found.name for found in self._found})
        named = {found.name: found for found in self._found}
        self._choosers = {n: kept for n, kept in self._choosers.items() if n in named}
        for name, tenant in tuple(self._tenants.items()):
            found = named.get(name)
            if found is not None and found.is_unknown:
                continue
            # Where every process is another one, nothing that is known of it holds.
            if found is None or not set(found.pids) & set(tenant.host.pids):
                self._let_go(name)
                continue
            try:
                tenant.follow(found)
            except TargetGoneError:
                self._let_go(name)

    def _tripped(self) -> tuple[str, ...]:
        """What trips every guard; the host may fail to tell that, but not for long."""
        try:
            tripped = self.watch.look()
        except TunerError:
            self._nr_blind += 1
            if self._nr_blind >= FAILURES_IN_A_ROW:
                raise
            return ()
        self._nr_blind = 0
        return tripped

    def _take_up_those_there(self) -> None:
        """Start with those that are not managed yet, the dearest first."""
        now_s = self._now_s()
        waiting = [
            found
            for found in self._found
            if found.pids
            and found.name not in self._tenants
            and self._troubles.may_try(found.name, now_s)
        ]
        for found in sorted(waiting, key=lambda found: -found.config.price):
            if len(self._tenants) + len(self._leaving) >= self._config.max_tenants:
                return
            self._take_up(found)

    def _take_up(self, found: Found) -> None:
        """Start to monitor a tenant; what is wrong with it alone is not the others' trouble."""
        session = self._held.session
        if not session.is_open:
            session.open()
            self._hands = hands_for(
                session,
                self._policy.schema.groups,
                self._lease_s,
                tames_khugepaged=self._config.khugepaged == "tamed",
            )
        host = SessionHost(
            session,
            Context(targets=tuple(map(Target, found.pids)), attrs=MONITORING),
            swap_in_us=self._swap_in_us,
            disk_in_us=self._disk_in_us,
            lease_s=self._lease_s,
        )
        try:
            # Before the start: what fails after it would leave a kdamond that nobody ends.
            pages = readahead_pages(self._tree)
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
            self._hands,
            self._chooser(found),
            self._config.mode,
            readahead_pages=pages,
        )

    def _chooser(self, found: Found) -> Chooser:
        """A guard that knows the tenant, if some of its processes are those that it knew."""
        config, fallback = found.config, STATIC_POLICIES[self._config.fallback]
        kept = self._choosers.pop(found.name, None)
        if kept is None or not kept[1] & set(found.pids):
            return Chooser(self._policy, fallback, _asked(config))
        kept[0].reconfigure(self._policy, fallback, _asked(config))
        return kept[0]

    def _reconfigure_one(self, name: str, tenant: ManagedTenant, config: TenantConfig) -> None:
        fallback = STATIC_POLICIES[self._config.fallback]
        tenant.chooser.reconfigure(self._policy, fallback, _asked(config))
        tenant.host.reconfigure(
            swap_in_us=self._swap_in_us, disk_in_us=self._disk_in_us, lease_s=self._lease_s
        )
        try:
            tenant.reconfigure(replace(tenant.found, config=config), self._config.mode)
        except TakenOverError as error:
            self._stand_down(error)
        except TunerError:
            # It starts anew, in the mode that is asked for.
            self._let_go(name)

    def _failed(self, name: str, error: TunerError) -> None:
        self.failures += 1
        tenant = self._tenants.get(name)
        is_news, gives_up = self._troubles.note(
            name, str(error), self._now_s(), is_last=tenant is None
        )
        if is_news:
            self._warn(f"{name}: {error}")
        if tenant is not None:
            tenant.trouble = str(error)
        if gives_up:
            self._let_go(name)

    def _let_go(self, name: str) -> None:
        tenant = self._tenants.pop(name, None)
        if tenant is not None:
            self._remember(name, tenant)
            self._leaving[tenant] = 0
            self._see_off(tenant)

    def _remember(self, name: str, tenant: ManagedTenant) -> None:
        self._choosers[name] = tenant.chooser, frozenset(tenant.host.pids)

    def _see_off_those_leaving(self) -> None:
        """Try again to end them; raises ``NotRestoredError`` for one that was tried too often."""
        for tenant in tuple(self._leaving):
            error = self._see_off(tenant)
            if error is not None and self._leaving[tenant] >= FAILURES_IN_A_ROW:
                raise error

    def _see_off(self, tenant: ManagedTenant) -> NotRestoredError | None:
        """End a tenant; a kernel that is busy just now is asked again in the next round."""
        try:
            tenant.stop()
        except NotRestoredError as error:
            self._leaving[tenant] += 1
            return error
        del self._leaving[tenant]
        return None

    def _stand_down(self, error: TunerError) -> None:
        """Leave DAMON alone: for a while, or until told otherwise where it is another's doing."""
        self.failures += 1
        is_final = isinstance(error, TakenOverError | NotRestoredError)
        until = "damon-tuner resume" if is_final else f"{self._pause_s:.0f} s have passed"
        self.stood_down = f"until {until}: {error}"
        self._retry_s = None if is_final else self._now_s() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._warn(f"standing down {self.stood_down}")
        self._give_back()

    def _may_go_on(self) -> bool:
        """Whether it does not stand down, or has for long enough."""
        if self.stood_down and self._retry_s is not None and self._now_s() >= self._retry_s:
            self.stood_down = ""
        return not self.stood_down

    def _give_back(self) -> None:
        before = self._held.unrestored
        told = self._end_tenants()
        if told and told != before:
            self.failures += 1
            self._warn(told)

    def _end_tenants(self) -> str:
        """Give everything back, and forget the tenants; return what there is to say of it."""
        for name, tenant in self._tenants.items():
            self._remember(name, tenant)
        tenants = [*self._tenants.values(), *self._leaving]
        self._tenants, self._leaving, self._idle_since_s = {}, {}, None
        # What it leaves is in the session's journal, and the session tells.
        with suppress(NotRestoredError):
            self._hands.stop()
        self._hands = OwnHands()
        told = self._held.give_back()
        for tenant in tenants:
            # The session is closed, and nothing of theirs is left but files to let go of.
            tenant.stop()
        return told

    def _release_if_idle(self) -> None:
        if self._tenants or self._leaving or not self._held.session.is_open:
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
        trouble = self._troubles.reason(found.name)
        if found.is_protected:
            phase, reason = "protected", found.reason
        elif found.pids and trouble:
            phase, reason = "failing", trouble
        else:
            phase, reason = "waiting", found.reason or self._why_waiting()
        return absent(found.name, found.source, found.pids, phase, reason, found.config)

    def _why_waiting(self) -> str:
        if self.is_paused or self.stood_down:
            return self.phase[0]
        return f"there is room for {self._config.max_tenants} tenants: raise max_tenants"

    @property
    def _tree(self) -> Tree:
        return self._held.session.tree

    @property
    def _lease_s(self) -> float:
        return lease_for(self._config.interval_s)

    def _now_s(self) -> float:
        return self._held.session.kernel.now_us() / 1e6


def _is_same(before: TenantConfig, now: TenantConfig) -> bool:
    """Whether both name the same processes."""
    return (before.pid, before.pid_file, before.unit, before.cgroup) == (
        now.pid,
        now.pid_file,
        now.unit,
        now.cgroup,
    )


def _asked(config: TenantConfig) -> Asked:
    limits = config.limits
    guard = GuardLimits(limits.min_age_s, limits.max_quota_bytes_per_s, limits.max_age_division)
    return Asked(config.budget, guard, config.slowdown_of)
