"""A live host as an environment: the same decision path, and the host is always put back."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from damon_tuner import _core
from damon_tuner.envs.batch import EpisodeConfig, SimBatch
from damon_tuner.envs.host_env import HostEnv
from damon_tuner.envs.workload_file import bundled_workload
from damon_tuner.errors import TargetGoneError
from damon_tuner.kernel_iface.host import Snapshot
from damon_tuner.kernel_iface.sim import SimHost
from damon_tuner.policies.decision import MONITORING


class CountedHost(SimHost):
    """A simulated host whose process exits after some snapshots."""

    def __init__(self, exits_after: int = 10**9, seed: int = 5) -> None:
        super().__init__(_core.Spec("phases"), seed=seed, attrs=MONITORING)
        self._left = exits_after
        self.stops = 0

    def snapshot(self) -> Snapshot:
        self._left -= 1
        if self._left < 0:
            raise TargetGoneError("process 5 has exited")
        return super().snapshot()

    def stop(self) -> None:
        self.stops += 1


def test_a_host_gives_the_observations_of_the_batch() -> None:
    env = HostEnv(CountedHost, budget=0.02)
    batch = SimBatch(EpisodeConfig(workloads=(bundled_workload("phases"),)), 1)
    first, _ = env.reset()
    assert np.array_equal(first, batch.begin(0, (0,), 5, (0.02,))[0])
    for action in np.random.default_rng(0).uniform(-1, 1, (20, 2)).astype(np.float32):
        observation, _, _, _, info = env.step(action)
        result = batch.step(action[None])
        assert np.array_equal(observation, result.observations[0])
        assert info["knobs"] == batch.info(0, result)["knobs"]


def test_gymnasium_finds_nothing_wrong() -> None:
    check_env(HostEnv(CountedHost, budget=0.02), skip_render_check=True)


def test_a_process_that_exits_ends_the_episode_and_the_host_is_put_back() -> None:
    host = CountedHost(exits_after=3)
    env = HostEnv(lambda: host, budget=0.02)
    env.reset()
    ends = [env.step(env.action_space.sample())[2:] for _ in range(3)]
    assert [terminated for terminated, _, _ in ends] == [False, False, True]
    assert "exited" in ends[-1][2]["gone"]
    assert host.stops == 1
    with pytest.raises(RuntimeError, match="reset first"):
        env.step(env.action_space.sample())


def test_every_reset_puts_the_last_host_back() -> None:
    hosts: list[CountedHost] = []

    def make() -> CountedHost:
        hosts.append(CountedHost())
        return hosts[-1]

    env = HostEnv(make, budget=0.02, episode_s=10.0)
    for _ in range(3):
        env.reset()
        env.step(env.action_space.sample())
        assert env.step(env.action_space.sample())[3]
    env.close()
    assert [host.stops for host in hosts] == [1, 1, 1]


def test_paging_out_is_rewarded_and_seen() -> None:
    env = HostEnv(CountedHost, budget=0.05)
    env.reset()
    infos = [env.step(np.array([-1.0, 1.0], np.float32))[4] for _ in range(30)]
    assert infos[0]["saving"] == pytest.approx(0.0, abs=0.01)
    assert max(info["saving"] for info in infos) > 0.1


def test_a_forgotten_environment_is_put_back_when_python_ends(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\n"
        "from damon_tuner import _core\n"
        "from damon_tuner.envs import HostEnv\n"
        "from damon_tuner.kernel_iface.sim import SimHost\n"
        "class Host(SimHost):\n"
        f"    def stop(self): Path({str(tmp_path / 'stopped')!r}).touch()\n"
        "env = HostEnv(lambda: Host(_core.Spec('phases'), seed=1), budget=0.02)\n"
        "env.reset()\n"
        "raise SystemExit(3)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 3
    assert (tmp_path / "stopped").exists()
