"""The command ``damon-tunerd``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from damon_tuner import __version__
from damon_tuner.daemon.light import keep_light
from damon_tuner.errors import ConfigError, TunerError

_FILES = Path(__file__).parent / "files"
_PRINTED = {
    "config": "damon-tunerd.toml",
    "unit": "damon-tunerd.service",
    "dashboard": "grafana-dashboard.json",
    "man": "damon-tunerd.8",
    "man-config": "damon-tunerd.toml.5",
}
_REFUSED, _PROBLEMS = 1, 3
_EPILOG = """\
Freshly installed it only watches: mode = "shadow" decides and logs, and sets nothing. Begin so:

  mkdir -p /etc/damon-tuner
  damon-tunerd --print config > /etc/damon-tuner/damon-tunerd.toml     (and name a tenant in it)
  damon-tunerd --check
  damon-tunerd --print unit > /etc/systemd/system/damon-tunerd.service
  systemctl enable --now damon-tunerd

Exit status: 0 stopped; 1 refused, or something went wrong, in one line; 2 wrong usage; 3 --check
found problems.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon, or one of what goes before it; returns its exit status."""
    keep_light()
    args = _parser().parse_args(argv)
    try:
        if args.print:
            return _print(args.print)
        if args.check:
            return _check(args.config)
        return _serve(args.config, args.state_dir)
    except TunerError as error:
        for line in str(error).splitlines():
            print(f"damon-tunerd: error: {line}", file=sys.stderr)
    except OSError as error:
        print(f"damon-tunerd: error: {error}", file=sys.stderr)
    return _REFUSED


def _parser() -> argparse.ArgumentParser:
    from damon_tuner.daemon.config import DEFAULT_PATH

    parser = argparse.ArgumentParser(
        prog="damon-tunerd",
        description="Lets a policy manage the memory of tenants of this host, as root.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument(
        "--config",
        type=Path,
        default=DEFAULT_PATH,
        metavar="FILE",
        help="default %(default)s; FILE.d/*.toml are read after it",
    )
    parser.add_argument("--check", action="store_true", help="only say what is wrong with it")
    parser.add_argument(
        "--print", choices=_PRINTED, help="print an example or a file to install, and end"
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="where the journal of changes is (default: $DAMON_TUNER_STATE_DIR, or "
        "/var/lib/damon-tuner)",
    )
    return parser


def _print(what: str) -> int:
    text = (_FILES / _PRINTED[what]).read_text(encoding="utf-8")
    if what == "unit":
        text = text.replace("@BIN@", str(Path(sys.argv[0]).resolve().parent))
    sys.stdout.write(text)
    return 0


def _check(path: Path) -> int:
    from damon_tuner.daemon.config import load_config

    try:
        config = load_config(path)
    except ConfigError as error:
        for line in str(error).splitlines():
            print(line)
        return _PROBLEMS
    print(f"{path}: {config.mode} mode, {len(config.tenants)} tenants; nothing is wrong with it")
    return 0


def _serve(path: Path, state_dir: Path | None) -> int:
    from damon_tuner.daemon.service import Service

    Service(path, state_dir=state_dir).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
