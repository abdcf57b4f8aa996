"""What a kernel offers is told by the files that are there."""

from __future__ import annotations

import pytest

from damon_tuner.kernel_iface.sysfs.feature_table import FEATURES
from damon_tuner.kernel_iface.sysfs.features import Presence, feature_statuses
from damon_tuner.kernel_iface.sysfs.occupants import NR_KDAMONDS
from damon_tuner.kernel_iface.sysfs.tree import Tree

from .fake_kernel import KDAMOND

OSRELEASE = "proc/sys/kernel/osrelease"


def statuses(kernel) -> dict[str, Presence]:
    return {status.feature.name: status.presence for status in feature_statuses(Tree(kernel))}


def numbers(release: str) -> list[int]:
    return [int(number) for number in release.split(".")]


def test_every_feature_is_named_once():
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_word_is_told_by_a_file(feature):
    signs = {other.path: other for other in FEATURES if not other.word}
    if feature.word:
        assert numbers(feature.since) <= numbers(signs[feature.sign].since)
    else:
        assert not feature.sign


def test_nothing_is_known_while_nobody_has_set_anything_up(kernel):
    assert set(statuses(kernel).values()) == {Presence.UNKNOWN}
    assert kernel.writes == []


def test_a_kernel_without_damon_has_none(kernel):
    del kernel.files[NR_KDAMONDS]
    assert statuses(kernel)["refresh_ms"] is Presence.ABSENT


def test_what_somebody_has_set_up_shows_what_there_is(kernel):
    kernel.write(NR_KDAMONDS, "1")
    found = statuses(kernel)
    assert found["refresh_ms"] is Presence.PRESENT
    assert found["contexts/*/pause"] is Presence.UNKNOWN
    del kernel.files[f"{KDAMOND}/refresh_ms"]
    assert statuses(kernel)["refresh_ms"] is Presence.ABSENT


@pytest.mark.parametrize(
    ("release", "expected"),
    [("6.12.94+deb13-amd64", False), ("6.17.0", True), ("7.3.4-cloud", True), ("next", None)],
)
def test_the_release_says_what_to_expect(kernel, release, expected):
    kernel.files[OSRELEASE] = release
    by_name = {s.feature.name: s.is_expected for s in feature_statuses(Tree(kernel))}
    assert by_name["refresh_ms"] is expected
