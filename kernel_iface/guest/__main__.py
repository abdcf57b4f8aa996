"""The command line: ``python -m damon_tuner.kernel_iface.guest``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from damon_tuner.errors import GuestError
from damon_tuner.kernel_iface.guest.runner import run_in_guest
from damon_tuner.kernel_iface.guest.spec import SWAP_ALGORITHMS, GuestSpec

GUEST_FAILED = 125
_GIB = 1 << 30
_EPILOG = """\
The command finds Python, pytest, busybox's tools, and this project with its tests/kernel in its
working folder. What it writes to $DAMON_TUNER_OUT comes back to --out. Its exit status becomes
this one's; 125 means that the guest itself failed.

examples:
  python -m damon_tuner.kernel_iface.guest -- python -m pytest tests/kernel -m kernel
  python -m damon_tuner.kernel_iface.guest --swap-gib 1 -- sh -c 'cat /proc/swaps'
  python -m damon_tuner.kernel_iface.guest --kernel 6.12 -- uname -r
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command in a guest and return the status to exit with."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        spec = GuestSpec(
            kernel_series=options.kernel,
            memory_bytes=int(options.memory_gib * _GIB),
            slow_bytes=int(options.slow_gib * _GIB),
            movable_bytes=int(options.movable_gib * _GIB),
            cpus=options.cpus,
            swap_bytes=int(options.swap_gib * _GIB),
            swap_algorithm=options.swap_algorithm,
            counted_clock=options.counted_clock,
            kernel_args=tuple(options.kernel_arg),
        )
    except ValueError as error:
        parser.error(str(error))
    try:
        result = run_in_guest(
            options.command, spec, out_dir=options.out, timeout_s=options.timeout, echo=_print
        )
    except GuestError as error:
        print(f"error: {error}", file=sys.stderr)
        return GUEST_FAILED
    except KeyboardInterrupt:
        return 130
    again = f" at boot {result.boots}" if result.boots > 1 else ""
    print(
        f"Linux {result.kernel_version}: exit status {result.exit_status}, up after "
        f"{result.boot_s:.1f} s{again}, {result.total_s:.1f} s in all; files: {result.out_dir}",
        file=sys.stderr,
    )
    return result.exit_status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m damon_tuner.kernel_iface.guest",
        description="Boot a Debian kernel in an emulator and run one command in it, as root. "
        "Needs no root and no virtualisation here; the kernel is downloaded once.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add, usual = parser.add_argument, GuestSpec()
    add(
        "--kernel",
        default=usual.kernel_series,
        metavar="SERIES",
        help="its newest is booted; default %(default)s",
    )
    add(
        "--memory-gib",
        type=float,
        default=usual.memory_bytes / _GIB,
        metavar="N",
        help="memory; default %(default)g",
    )
    add(
        "--slow-gib",
        type=float,
        default=0,
        metavar="N",
        help="memory of a second, slower node; default %(default)s is none",
    )
    add(
        "--movable-gib",
        type=float,
        default=0,
        metavar="N",
        help="of all memory, how much can go offline; default %(default)s is none",
    )
    add(
        "--cpus",
        type=int,
        default=usual.cpus,
        metavar="N",
        help="virtual CPUs; default %(default)s",
    )
    add(
        "--swap-gib",
        type=float,
        default=0,
        metavar="N",
        help="zram swap; default %(default)s is none",
    )
    add(
        "--swap-algorithm",
        choices=SWAP_ALGORITHMS,
        default=usual.swap_algorithm,
        help="default %(default)s",
    )
    add(
        "--counted-clock",
        action="store_true",
        help="time is the number of instructions executed, whatever this machine's clock says",
    )
    add(
        "--kernel-arg",
        action="append",
        default=[],
        metavar="WORD",
        help="added to the kernel's command line; may be repeated",
    )
    add(
        "--out",
        type=Path,
        default=Path("out/guest"),
        metavar="DIR",
        help="for results; default %(default)s",
    )
    add(
        "--timeout",
        type=float,
        default=600,
        metavar="S",
        help="seconds until it is stopped; default %(default)g",
    )
    add("command", nargs="+", metavar="COMMAND", help="after --, with its arguments")
    return parser


def _print(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
