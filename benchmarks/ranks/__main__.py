"""``python -m damon_tuner.benchmarks.ranks``: rank policies twice, and print the figures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from damon_tuner.benchmarks.ranks import DEFAULT_OUT, DEFAULT_SECONDS, POLICIES
from damon_tuner.benchmarks.ranks.patterns import PATTERNS
from damon_tuner.benchmarks.ranks.run import read_ranks, run_ranks
from damon_tuner.cli.options import PRETRAINED, share
from damon_tuner.errors import TunerError
from damon_tuner.policies.decision import DEFAULT_BUDGET


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m damon_tuner.benchmarks.ranks",
        description="Rank policies in an emulated kernel and in the simulator.",
    )
    parser.add_argument("--policy", type=Path, default=PRETRAINED, help="the learned one's file")
    parser.add_argument("--budget", type=share, default=DEFAULT_BUDGET)
    parser.add_argument("--seconds", type=float, default=DEFAULT_SECONDS, help="of each policy")
    parser.add_argument("--load", nargs="+", choices=PATTERNS, default=tuple(PATTERNS))
    parser.add_argument("--policies", nargs="+", default=POLICIES)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    parser.add_argument(
        "--reuse", action="store_true", help="compare with what an earlier run left in --out"
    )
    args = parser.parse_args()
    try:
        if not args.reuse:
            run_ranks(
                args.out,
                args.policy,
                args.budget,
                args.seconds,
                loads=args.load,
                policies=args.policies,
                write=_write,
            )
        for figure in read_ranks(args.out, args.policy):
            print(figure.line(), flush=True)
    except TunerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _write(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
