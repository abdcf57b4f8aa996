"""Any host as a Gymnasium environment: the real kernel's DAMON, or one simulated host."""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Callable, Collection
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from damon_tuner import _core
from damon_tuner.envs.batch import Observations
from damon_tuner.envs.reward import Outcome, RewardWeights, estimated_outcome, reward
from damon_tuner.envs.spaces import action_space, observation_space
from damon_tuner.errors import TargetGoneError
from damon_tuner.kernel_iface.host import Host, Snapshot
from damon_tuner.kernel_iface.plan import carry_out
from damon_tuner.policies.decision import CONTROL_INTERVAL_S
from damon_tuner.policies.plan_from_core import plan_from_core
from damon_tuner.policies.schema import schema_of


class HostEnv(gymnasium.Env[Observations, NDArray[np.float32]]):
    """The decision path around a live host, one control interval a step.

    ``make_host`` is called at every reset and gives a host that is not started. What a host
    cannot show is estimated: ``saving`` from resident and compressed memory, ``slowdown`` from
    major faults and what one costs. An episode is truncated after ``episode_s`` seconds and
    terminated when the managed process exits. ``close`` puts the host back, and so does the end
    of Python; against SIGTERM and SIGHUP, run it under ``damon_tuner.signals.stop_on_signals``.
    Knob ``groups`` that set more than the tenant's own schemes need a host that carries out plans.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (Gymnasium's own type)

    def __init__(
        self,
        make_host: Callable[[], Host],
        *,
        budget: float,
        interval_s: float = CONTROL_INTERVAL_S,
        episode_s: float = 900.0,
        weights: RewardWeights | None = None,
        groups: Collection[str] = ("reclaim",),
    ) -> None:
        schema = schema_of(groups)
        self._make_host = make_host
        self._groups = schema.groups
        self._budget = budget
        self._interval_s = interval_s
        self._steps = max(1, round(episode_s / interval_s))
        self._weights = weights or RewardWeights()
        self._host: Host | None = None
        self._decider = _core.Decider(budget, groups=schema.groups)
        self._observation: Observations = np.zeros(schema.nr_features, dtype=np.float32)
        self._step = 0
        self.observation_space = observation_space(schema)
        self.action_space = action_space(schema)
        self.render_mode = None
        atexit.register(_close, weakref.ref(self))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Put the last host back, and start the next one without any scheme."""
        super().reset(seed=seed)
        self.close()
        self._host = self._make_host()
        self._decider = _core.Decider(self._budget, groups=self._groups)
        self._step = 0
        try:
            self._host.start(())
            self._observe(self._host.snapshot())
        except BaseException:
            self.close()
            raise
        return self._observation.copy(), {"budget": self._budget}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[Observations, float, bool, bool, dict[str, Any]]:
        """Set the knobs, let an interval pass, and observe."""
        if self._host is None:
            raise RuntimeError("the environment is not started: call reset first")
        self._step += 1
        plan = plan_from_core(self._decider.act(np.ascontiguousarray(action, np.float32)))
        knobs = self._decider.knobs()
        try:
            carry_out(self._host, plan)
            self._host.advance(self._interval_s)
            result = self._observe(self._host.snapshot())
        except TargetGoneError as error:
            self.close()
            return self._observation.copy(), 0.0, True, False, {"gone": str(error)}
        except BaseException:
            self.close()
            raise
        value = reward(result, np.array([self._budget]), self._weights)
        info = {
            "saving": float(result.saving[0]),
            "slowdown": float(result.slowdown[0]),
            "budget": self._budget,
            "breach": bool(result.slowdown[0] > self._budget),
            "knobs": knobs,
            "guard": self._decider.reasons(),
        }
        return self._observation.copy(), float(value[0]), False, self._step >= self._steps, info

    def close(self) -> None:
        """Stop the host and put back everything that was changed."""
        host, self._host = self._host, None
        if host is not None:
            host.stop()

    def _observe(self, snapshot: Snapshot) -> Outcome:
        self._decider.observe(snapshot, self._observation)
        return estimated_outcome(
            np.array([snapshot.resident_bytes], dtype=np.float64),
            np.array([snapshot.swapped_bytes], dtype=np.float64),
            np.array([snapshot.compressed_bytes], dtype=np.float64),
            np.array([self._decider.rates()["slowdown"]]),
        )


def _close(env: weakref.ref[HostEnv]) -> None:
    """Put back the host of an environment that was not closed when Python ended."""
    alive = env()
    if alive is not None:
        alive.close()
