"""``python -m damon_tuner.benchmarks.loads``: measure loads, and print their figures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from damon_tuner.benchmarks.loads import DEFAULT_OUT, DEFAULT_SECONDS, LOADS
from damon_tuner.benchmarks.loads.run import POLICIES, read_loads, run_loads
from damon_tuner.benchmarks.loads.summary import load_figures
from damon_tuner.cli.options import PRETRAINED, share
from damon_tuner.errors import TunerError
from damon_tuner.policies.decision import DEFAULT_BUDGET


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m damon_tuner.benchmarks.loads",
        description="Real programs in an emulated kernel under several policies, in turn.",
    )
    parser.add_argument("--load", nargs="+", choices=LOADS, default=LOADS)
    parser.add_argument("--policies", nargs="+", default=POLICIES)
    parser.add_argument("--policy", type=Path, default=PRETRAINED, help="the learned one's file")
    parser.add_argument("--budget", type=share, default=DEFAULT_BUDGET)
    parser.add_argument("--seconds", type=float, default=DEFAULT_SECONDS, help="of each policy")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    parser.add_argument(
        "--reuse", action="store_true", help="print what an earlier run left in --out"
    )
    args = parser.parse_args()

    def write(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        if not args.reuse:
            run_loads(
                args.out,
                args.policy,
                args.budget,
                seconds=args.seconds,
                loads=args.load,
                policies=args.policies,
                write=write,
            )
    except TunerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for figure in load_figures(read_loads(args.out)):
        print(figure.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
