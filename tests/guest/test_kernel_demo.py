"""The demo on a short run: DAMON sees, every policy has its turn, everything is put back."""

import json
from pathlib import Path

import pytest

from damon_tuner.benchmarks.kernel_demo.run import (
    kernel_figures,
    read_demo,
    run_demo,
    summarise,
)
from damon_tuner.policies.policy_file import save_policy

from ..policies.helpers import constant_policy

# page out what was idle for 4.6 s, at up to 5 % of the process a second
EAGER = constant_policy((-0.74, 0.85))


@pytest.mark.guest
@pytest.mark.slow
@pytest.mark.usefixtures("emulator")
def test_a_policy_file_manages_a_real_process_in_a_real_kernel(tmp_path: Path) -> None:
    policy = tmp_path / "eager.safetensors"
    save_policy(EAGER, policy)
    lines: list[str] = []
    run_demo(tmp_path / "demo", policy, 0.02, 40.0, 2.0, lines.append)
    result = read_demo(tmp_path / "demo")

    assert result["proof"]["hot_nr_accesses"] >= 5.0
    by_policy = {summary.policy: summary for summary in summarise(result)}
    assert list(by_policy) == ["none", "damon_reclaim", "learned"]
    assert by_policy["learned"].saving > 0.1
    # DAMON_RECLAIM waits for two minutes without an access, and this run is shorter
    assert by_policy["damon_reclaim"].saving == pytest.approx(0.0, abs=0.02)
    assert by_policy["learned"].decisions >= 10
    figures = {figure.name: figure.value for figure in kernel_figures(result)}
    assert figures["kernel.demo.restored"] == 1.0
    assert figures["kernel.demo.damon_sees"] == 1.0
    assert (tmp_path / "demo" / "demo.png").stat().st_size > 10_000
    assert any("restored: everything, exactly" in line for line in lines)
    json.dumps(result)
