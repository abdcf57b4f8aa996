"""Rules: what manages memory without having learned from episodes."""

from damon_tuner.policies.rules.limits import within
from damon_tuner.policies.rules.registry import RULES, STATIC_POLICIES
from damon_tuner.policies.rules.rule import AdaptiveRule, FixedRule, Rule, Span

__all__ = ["RULES", "STATIC_POLICIES", "AdaptiveRule", "FixedRule", "Rule", "Span", "within"]
