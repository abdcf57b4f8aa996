"""Where decisions go: the log, the experience journal, and the metrics file."""

from __future__ import annotations

import time
from collections.abc import Callable

from damon_tuner.daemon.config import Config
from damon_tuner.daemon.experience import Experience, ExperienceJournal, new_run
from damon_tuner.daemon.log_line import json_line, text_line
from damon_tuner.daemon.metrics import write_metrics
from damon_tuner.daemon.outcome import Outcome
from damon_tuner.daemon.status import DaemonStatus


class Publisher:
    """Tells of what is decided; trouble in telling is warned of, and stops nothing."""

    def __init__(
        self, config: Config, *, write: Callable[[str], None], warn: Callable[[str], None]
    ) -> None:
        self._write = write
        self._warn = warn
        self._run = new_run()
        self._experience: ExperienceJournal | None = None
        self._warned_of: dict[str, str] = {}
        self._config = config
        self.reconfigure(config)

    def reconfigure(self, config: Config) -> None:
        """Tell by another configuration."""
        kept = config.experience
        if self._experience is None or kept != self._config.experience:
            self.close()
            if kept.folder is not None:
                self._experience = ExperienceJournal(kept.folder, kept.max_bytes)
        self._config = config

    def note(self, outcome: Outcome, policy_sha256: str) -> None:
        """Tell of one decision."""
        line = json_line if self._config.log == "json" else text_line
        self._write(line(outcome))
        if self._experience is not None:
            record = Experience.of(
                outcome.snapshot,
                outcome.decision,
                time_s=time.time(),
                run=self._run,
                tenant=outcome.tenant,
                mode="act" if outcome.is_carried_out else "shadow",
                policy_sha256=policy_sha256,
                budget=outcome.budget,
                interval_s=self._config.interval_s,
            )
            self._experience.append(record)
            self._warn_once("experience", self._experience.trouble)

    def publish(self, status: DaemonStatus) -> None:
        """Tell how all fares, after a round."""
        if self._config.metrics is not None:
            self._warn_once("metrics", write_metrics(self._config.metrics, status) or "")

    def close(self) -> None:
        """Have what was kept on disk."""
        if self._experience is not None:
            self._experience.close()
            self._experience = None

    def _warn_once(self, what: str, trouble: str) -> None:
        if trouble and self._warned_of.get(what) != trouble:
            self._warn(trouble)
        self._warned_of[what] = trouble
