"""Downloads Debian packages through an apt of our own, beside the system's and not in its way."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from damon_tuner.errors import GuestError

SUITES = ("trixie", "trixie-backports", "bookworm-backports")
DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# The main archive is recognised by a suite of its own: other vendors call theirs differently,
# and security and updates are archives or suites without the kernels that we look for.
_MAIN_SUITES = frozenset(
    ("bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable")
)
_NO_MIRROR = (
    "no Debian mirror in this machine's apt sources: add one "
    "(see 'man sources.list'), or copy another machine's damon-tuner cache folder"
)


def run_tool(argv: Sequence[str], env: dict[str, str] | None = None) -> str:
    """Run a tool of the system and return its output (``GuestError`` with its complaint)."""
    try:
        done = subprocess.run(
            argv,
            check=False,
            text=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, "LC_ALL": "C", **(env or {})},
        )
    except FileNotFoundError as error:
        raise GuestError(f"{argv[0]} not found: the guest needs a Debian with apt") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no message"]
        errors = [line for line in said if line.startswith("E:")] or said
        raise GuestError(f"{argv[0]} {argv[1]} failed: {errors[-1]}")
    return done.stdout


def find_mirror(apt_config: Path | None = None) -> str:
    """Return the URI of the Debian archive that the system's apt (or ``apt_config``) uses.

    Raises ``GuestError`` when its sources name none.
    """
    listing = run_tool(
        (
            *("apt-get", "indextargets", "--no-release-info", "Created-By: Packages"),
            *("--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"),
        ),
        {"APT_CONFIG": str(apt_config)} if apt_config else None,
    )
    for line in listing.splitlines():
        uri, suite, component = line.rsplit(" ", 2)
        if component == "main" and suite in _MAIN_SUITES:
            return uri
    raise GuestError(_NO_MIRROR)


@dataclass(frozen=True, slots=True)
class PrivateApt:
    """An apt with its own sources, index and cache, all below ``folder``."""

    folder: Path

    def update(self) -> None:
        """Fetch the package index of :data:`SUITES` (``GuestError``)."""
        self._configure(find_mirror())
        self._run("apt-get", "update", "--error-on=any")

    def names(self, prefix: str) -> set[str]:
        """Return the names of all packages that start with ``prefix``."""
        return set(self._run("apt-cache", "pkgnames", prefix).split())

    def download(self, names: Sequence[str], into: Path) -> list[Path]:
        """Download the newest version of each package and return the ``.deb`` files."""
        # apt-get downloads into the working directory; env -C sets it for this child alone
        self._run("env", "-C", str(into), "apt-get", "download", *names)
        return sorted(into.glob("*.deb"))

    def _run(self, *argv: str) -> str:
        return run_tool(argv, {"APT_CONFIG": str(self._config)})

    @property
    def _config(self) -> Path:
        return self.folder / "apt.conf"

    def _configure(self, mirror: str) -> None:
        for name in ("state/lists/partial", "cache/archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        sources = self.folder / "sources.list"
        sources.write_text(
            "".join(
                f"deb [signed-by={DEBIAN_KEYRING}] {mirror} {suite} main\n" for suite in SUITES
            )
        )
        settings = {
            "Dir::Etc::Main": "/dev/null",  # the system's hooks after an update are not for us
            "Dir::Etc::Parts": "/dev/null",
            "Dir::Etc::SourceList": str(sources),
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State": str(self.folder / "state"),
            "Dir::Cache": str(self.folder / "cache"),
            "APT::Architecture": "amd64",
            "APT::Sandbox::User": "",  # apt's own user cannot write to the caller's home
        }
        ours = "".join(f'{name} "{value}";\n' for name, value in settings.items())
        # proxies, timeouts and date checks are the administrator's choice: keep them
        self._config.write_text(run_tool(("apt-config", "dump", "Acquire")) + ours)
