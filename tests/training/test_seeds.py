"""Training with several seeds, on workers or here, gives the policies of each seed."""

from __future__ import annotations

from pathlib import Path

from damon_tuner.cli import main
from damon_tuner.policies.policy_file import load_policy
from damon_tuner.training.run import export_run

STEPS = 64


def test_each_seed_has_its_folder_with_what_one_run_would_have_made(tmp_path: Path) -> None:
    workload = tmp_path / "mine.toml"
    workload.write_text('family = "phases"\n[workload]\nfootprint_bytes = 6e8\n')
    options = ["--steps", str(STEPS), "--workload", str(workload), "--knobs", "reclaim"]
    out = tmp_path / "out"
    command = ["train", "--out", str(out), "--seed", "4", "--seeds", "2", "--workers", "2"]
    assert main([*command, *options]) == 0
    assert sorted(folder.name for folder in out.iterdir()) == ["seed_4", "seed_5"]
    loads = load_policy(out / "seed_5" / "policy.safetensors").provenance["workloads"]
    assert loads == ["mine"]
    assert main(["train", "--out", str(tmp_path / "one"), "--seed", "5", *options]) == 0
    alone = (tmp_path / "one" / "policy.safetensors").read_bytes()
    assert (out / "seed_5" / "policy.safetensors").read_bytes() == alone
    assert (out / "seed_4" / "policy.safetensors").read_bytes() != alone
    export_run(out / "seed_5" / "run", tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == alone
