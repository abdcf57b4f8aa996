"""The doctor's findings, for people and for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict

from damon_tuner.kernel_iface.doctor.finding import Finding, Status

_MARK_WIDTH = 13
_NAME_WIDTH = 13
_INDENT = " " * (2 + _MARK_WIDTH + _NAME_WIDTH)


def is_ready(findings: Sequence[Finding]) -> bool:
    """Tell whether a process can be managed here and now."""
    return not any(finding.blocks for finding in findings)


def as_json(findings: Sequence[Finding]) -> str:
    """Return one JSON object, in ASCII, with keys that do not change without a release."""
    told = [
        {
            "topic": finding.topic,
            "name": finding.name,
            "needed": finding.needed,
            **asdict(finding.verdict),
        }
        for finding in findings
    ]
    return json.dumps({"ready": is_ready(findings), "findings": told}, indent=2)


def as_text(findings: Sequence[Finding], width: int | None = None) -> str:
    """Return lines that are read at a glance, in ASCII; folded to ``width`` columns if given."""
    lines: list[str] = []
    topic = ""
    for finding in findings:
        if finding.topic != topic:
            topic = finding.topic
            lines += ["", topic]
        lines += _lines(finding)
    lines += ["", _conclusion(findings)]
    return "\n".join(_folded(_printable(line), width) for line in lines[1:])


def _lines(finding: Finding) -> list[str]:
    verdict = finding.verdict
    mark = f"{verdict.status}{' !' if finding.blocks else ''}"
    lines = [f"  {mark:{_MARK_WIDTH}}{finding.name:{_NAME_WIDTH}}{verdict.says}"]
    if verdict.status is Status.MISSING:
        lines.append(f"{_INDENT}means: {verdict.means}")
        lines.append(f"{_INDENT}to do: {verdict.remedy}")
    return [*lines, *(f"{_INDENT}{detail}" for detail in verdict.details)]


def _conclusion(findings: Sequence[Finding]) -> str:
    if is_ready(findings):
        return "Ready: damon-tuner run can manage a process here."
    names = ", ".join(finding.name for finding in findings if finding.blocks)
    return f"Not ready: see {names}, marked with an exclamation mark."


def _printable(line: str) -> str:
    """Names of devices and mounts may hold anything; a terminal must not obey it."""
    return "".join(c if c.isprintable() and c.isascii() else ascii(c)[1:-1] for c in line)


def _folded(line: str, width: int | None) -> str:
    if width is None or width < 2 * len(_INDENT):
        return line
    return "\n".join(
        textwrap.wrap(
            line,
            width,
            subsequent_indent=_INDENT + "  ",
            break_on_hyphens=False,
            break_long_words=False,
        )
    )
