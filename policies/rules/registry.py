"""Every rule by name, in the order in which they are reported."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from damon_tuner.kernel_iface.host import GoalTuner
from damon_tuner.policies.rules.cold_age_percentile import ColdAgePercentile
from damon_tuner.policies.rules.damon_reclaim import DamonReclaim
from damon_tuner.policies.rules.hmsdk import Hmsdk
from damon_tuner.policies.rules.huge_pages import (
    HugePagesAlways,
    HugePagesByAccess,
    HugePagesMadvise,
)
from damon_tuner.policies.rules.moving_averages import MovingAverages
from damon_tuner.policies.rules.nothing import Nothing
from damon_tuner.policies.rules.page_out import PageOut
from damon_tuner.policies.rules.psi_goals import PsiGoals
from damon_tuner.policies.rules.rule import FixedRule, Rule
from damon_tuner.policies.rules.senpai import Senpai
from damon_tuner.policies.rules.tiering_goals import TieringGoals

STATIC_POLICIES: Mapping[str, FixedRule] = MappingProxyType(
    {
        "none": Nothing(),
        "damon_reclaim": DamonReclaim(),
        "pageout_5s": PageOut(5.0),
        "pageout_30s": PageOut(30.0),
        "pageout_120s": PageOut(120.0),
    }
)
"""Page-out as an administrator would set it once and leave it, or none: what is safe to fall back
to, within the limits of an operator."""

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **STATIC_POLICIES,
        "goals_psi_consist": PsiGoals(GoalTuner.CONSIST),
        "goals_psi_temporal": PsiGoals(GoalTuner.TEMPORAL),
        "senpai": Senpai(),
        "cold_age_percentile": ColdAgePercentile(),
        "moving_averages": MovingAverages(),
        "tiering_goals": TieringGoals(),
        "hmsdk": Hmsdk(),
        "huge_pages_always": HugePagesAlways(),
        "huge_pages_madvise": HugePagesMadvise(),
        "huge_pages_by_access": HugePagesByAccess(),
    }
)
"""Everything that is not learned and that a learned policy is compared with."""
