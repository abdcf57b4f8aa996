"""One tenant: what is seen of it, what is decided for it, and what has come of that."""

from __future__ import annotations

import time
from collections.abc import Collection

from damon_tuner.daemon.chooser import HOLD, Chooser
from damon_tuner.daemon.config import Mode
from damon_tuner.daemon.outcome import Outcome, saved_bytes
from damon_tuner.daemon.score import ScoreReader
from damon_tuner.daemon.shadow import ShadowAccount
from damon_tuner.daemon.status import TenantStatus
from damon_tuner.daemon.tenants import Found
from damon_tuner.kernel_iface.host import Snapshot
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.kernel_iface.sysfs.hands import Hands
from damon_tuner.kernel_iface.sysfs.session_host import SessionHost
from damon_tuner.policies.decision import Decision
from damon_tuner.policies.schema import RECLAIM

SCORE = "score"
_NR_HEAT_CLASSES = 11
_HEAT_CLASSES = tuple(
    name.removesuffix("_share") for name in RECLAIM.observation_names[:_NR_HEAT_CLASSES]
)


class ManagedTenant:
    """A tenant that ``found`` says is there, watched by ``host``, which is started.

    ``hands`` carry out what is decided, and look after it until ``stop``. In shadow mode its
    schemes are accounted for and never set; a fault would then bring ``readahead_pages`` from
    swap.
    """

    def __init__(
        self,
        found: Found,
        host: SessionHost,
        hands: Hands,
        chooser: Chooser,
        mode: Mode,
        *,
        readahead_pages: int,
    ) -> None:
        self.found = found
        self.host = host
        self._hands = hands
        hands.add(found.name, host, found.cgroup)
        self.chooser = chooser
        self._readahead_pages = readahead_pages
        self._shadow = self._account() if mode is Mode.SHADOW else None
        self._score = _score_reader(found)
        self._last: Outcome | None = None
        self._knobs: dict[str, float] = {}
        self._decisions = self._breaches = 0
        self.trouble = ""

    @property
    def is_shadow(self) -> bool:
        """Whether nothing of what is decided is carried out."""
        return self._shadow is not None

    def round(self, tripped: Collection[str], elapsed_s: float) -> Outcome:
        """Observe, decide, and carry out; raises what ``SessionHost`` raises."""
        if self._score is not None and self._score.is_below_floor():
            tripped = (*tripped, SCORE)
        snapshot = self._hands.observed(self.found.name, self.host.snapshot())
        if self._shadow is not None:
            snapshot = self._shadow.seen(snapshot)
        decision = self.chooser.decide(snapshot, tripped)
        plan = decision.plan
        if self._shadow is not None:
            self._shadow.decide(plan.schemes)
            plan = Plan()
        # What stops page-out does not wait for the quota's window to end.
        self._hands.plan(self.found.name, plan, is_urgent=HOLD in decision.reasons)
        return self._noted(snapshot, decision, elapsed_s)

    def follow(self, found: Found) -> None:
        """Take note of the processes that the tenant has now; raises ``TargetGoneError``."""
        if found.pids != self.host.pids:
            self.host.retarget(found.pids)
        self.found = found

    def reconfigure(self, found: Found, mode: Mode) -> None:
        """Go on under another configuration; raises what ``SessionHost.apply`` raises."""
        if found.config.score != self.found.config.score:
            self._close_score()
            self._score = _score_reader(found)
        self.found = found
        if mode is Mode.SHADOW and self._shadow is None:
            self._hands.plan(self.found.name, Plan(), is_urgent=True)
            self._shadow = self._account()
        elif mode is Mode.ACT:
            self._shadow = None

    def stop(self) -> None:
        """End it; raises ``NotRestoredError``."""
        self._close_score()
        self._hands.remove(self.found.name)
        self.host.stop()

    def status(self) -> TenantStatus:
        """Tell the outside."""
        phase, reason = self._phase()
        config, last = self.found.config, self._last
        snapshot = last.snapshot if last else None
        return TenantStatus(
            name=self.found.name,
            source=self.found.source,
            pids=self.host.pids,
            phase=phase,
            reason=reason,
            budget=config.budget,
            price=config.price,
            slowdown=last.decision.slowdown if last and self._decisions > 1 else None,
            slowdown_300s=self.chooser.slowdown_300s if self._decisions > 1 else None,
            resident_bytes=snapshot.resident_bytes if snapshot else 0,
            swapped_bytes=snapshot.swapped_bytes if snapshot else 0,
            saved_bytes=saved_bytes(snapshot) if snapshot else 0,
            knobs=dict(self._knobs),
            guard=last.decision.reasons if last else (),
            decisions=self._decisions,
            breaches=self._breaches,
            heat=dict(zip(_HEAT_CLASSES, last.decision.observation, strict=False)) if last else {},
            nr_regions=len(snapshot.regions) if snapshot else 0,
        )

    def _noted(self, snapshot: Snapshot, decision: Decision, elapsed_s: float) -> Outcome:
        self._decisions += 1
        self._breaches += decision.slowdown > self.found.config.budget
        outcome = Outcome(
            tenant=self.found.name,
            elapsed_s=elapsed_s,
            budget=self.found.config.budget,
            snapshot=snapshot,
            decision=decision,
            knobs_before=self._knobs,
            is_carried_out=self._shadow is None,
            note=self.chooser.reason,
        )
        self._knobs, self._last, self.trouble = dict(decision.knobs), outcome, ""
        return outcome

    def _phase(self) -> tuple[str, str]:
        """What is most worth knowing comes first."""
        guard = self._last.decision.reasons if self._last else ()
        if self.trouble:
            return "failing", self.trouble
        if self._last and HOLD in guard:
            why = ", ".join(reason for reason in guard if reason != HOLD) or "backing off"
            return "holding", f"{why}: no page-out for {self._last.decision.hold_left_s:.0f} s"
        if self.chooser.is_fallback:
            return "fallback", self.chooser.reason
        if self._score is not None and self._score.trouble:
            return self._usual_phase(), f"no score: {self._score.trouble}"
        return self._usual_phase(), ""

    def _account(self) -> ShadowAccount:
        return ShadowAccount(self._readahead_pages)

    def _usual_phase(self) -> str:
        return "shadowing" if self.is_shadow else "managing"

    def _close_score(self) -> None:
        score, self._score = self._score, None
        if score is not None:
            score.close()


def _score_reader(found: Found) -> ScoreReader | None:
    score = found.config.score
    return None if score is None else ScoreReader(score, time.monotonic)
