"""The main loop of one kdamond, sample by sample: what the C code's events are compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from damon_tuner.kernel_iface.host import Scheme

from .reference import Region, apply_min_nr_regions, merge
from .reference_damos import Context, RunningScheme, tuned_sample_us

MASK = 2**64 - 1


class Xoshiro:
    """xoshiro256++, seeded by splitmix64."""

    def __init__(self, seed: int) -> None:
        self.s = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) & MASK
            z = seed
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
            self.s.append(z ^ (z >> 31))

    def below(self, n: int) -> int:
        s = self.s
        sum_ = (s[0] + s[3]) & MASK
        result = (((sum_ << 23) | (sum_ >> 41)) + s[0]) & MASK
        shifted = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= shifted
        s[3] = ((s[3] << 45) | (s[3] >> 19)) & MASK
        return result * n >> 64


class Splitter:
    """What splitting remembers from one time to the next."""

    def __init__(self, rng: Xoshiro, max_nr_regions: int, min_region_sz: int) -> None:
        self.rng = rng
        self.max_nr_regions = max_nr_regions
        self.min_region_sz = min_region_sz
        self.rotation = 0
        self.last_nr = 0

    def split(self, regions: Sequence[Region]) -> list[Region]:
        nr, most = len(regions), self.max_nr_regions
        same, self.last_nr = nr == self.last_nr, nr
        if nr >= most:
            return list(regions)
        if nr > most // 2:
            step = most // (most - nr)
            offset, self.rotation = self.rotation % step, self.rotation + 1
            return [
                piece
                for i, region in enumerate(regions)
                for piece in (
                    self.cut(region, 1, 2 * self.min_region_sz) if i % step == offset else [region]
                )
            ]
        cuts = 2 if same and nr < most // 3 else 1
        least = 2 * self.min_region_sz + 1
        return [piece for region in regions for piece in self.cut(region, cuts, least)]

    def cut(self, region: Region, cuts: int, least: int) -> list[Region]:
        right: list[Region] = []
        for _ in range(cuts):
            if region.size < least:
                break
            size = (1 + self.rng.below(9)) * region.size // 10
            size = size // self.min_region_sz * self.min_region_sz
            if 0 < size < region.size:
                middle = region.start + size
                right.insert(0, region._replace(start=middle))
                region = region._replace(end=middle)
        return [region, *right]


def convert(count: int, old_samples: int, new_samples: int) -> int:
    return count * 10_000 // old_samples * new_samples // 10_000


def converted(
    region: Region, old: tuple[int, int], new: tuple[int, int], aggregating: bool
) -> Region:
    """The region after the intervals (sample_us, aggr_us) changed."""
    old_samples, new_samples = old[1] // old[0], new[1] // new[0]
    nr = 0 if aggregating else convert(region.nr_accesses, old_samples, new_samples)
    return region._replace(
        nr_accesses=nr,
        last_nr_accesses=convert(region.last_nr_accesses, old_samples, new_samples),
        # the kernel's ages have 32 bits
        age=region.age * old[1] // new[1] % 2**32,
    )


@dataclass
class Loop:
    """One kdamond; ``seen`` tells whether a sample of a region finds an access."""

    context: Context
    splitter: Splitter
    seen: Callable[[Region, int], bool]
    goal: tuple[int, int, int, int]
    max_nr_regions: int
    limit: int = 0
    next_tune: int = 0
    new_intervals: tuple[int, int] | None = None
    new_schemes: list[Sequence[Scheme]] = field(default_factory=list)
    paused: bool = False
    held: bool = False

    def start(self) -> None:
        c = self.context
        self.limit, c.regions = apply_min_nr_regions(c.regions, c.min_nr_regions, c.min_region_sz)
        c.next_aggr = c.aggr_us // c.sample_us
        self.next_tune = c.next_aggr * self.goal[1]

    def run(self, until_us: int) -> None:
        while self.context.now_us + self.context.sample_us <= until_us:
            self.context.now_us += self.context.sample_us
            if not self.held:
                self.take_sample()
            self.serve_commands()
            self.held = self.paused
            if not self.held:
                self.finish_sample()

    def take_sample(self) -> None:
        c = self.context
        self.this_aggr = c.next_aggr
        c.passed += 1
        c.regions = [
            region._replace(nr_accesses=region.nr_accesses + self.seen(region, c.passed))
            for region in c.regions
        ]
        if c.passed >= self.this_aggr:
            threshold = max(region.nr_accesses for region in c.regions) // 10
            samples = c.aggr_us // c.sample_us
            c.regions = merge(c.regions, threshold, self.limit, self.max_nr_regions, samples)
            self.limit, c.regions = apply_min_nr_regions(
                c.regions, c.min_nr_regions, c.min_region_sz
            )

    def serve_commands(self) -> None:
        c = self.context
        for schemes in self.new_schemes:
            kept = c.schemes[: len(schemes)]
            for running, scheme in zip(kept, schemes, strict=False):
                running.scheme, running.last_psi = scheme, {}
            for scheme in schemes[len(kept) :]:
                interval_us = scheme.apply_interval_us or c.aggr_us
                kept.append(RunningScheme(scheme, c.passed + interval_us // c.sample_us))
            c.schemes = kept
        self.new_schemes = []
        if self.new_intervals not in (None, (c.sample_us, c.aggr_us)):
            assert self.new_intervals is not None
            self.set_intervals(*self.new_intervals)
        self.new_intervals = None

    def set_intervals(self, sample_us: int, aggr_us: int) -> None:
        c = self.context
        old, new = (c.sample_us, c.aggr_us), (sample_us, aggr_us)
        aggregating = c.passed < c.next_aggr
        c.regions = [converted(region, old, new, aggregating) for region in c.regions]
        c.sample_us, c.aggr_us = new
        c.next_aggr = c.passed + aggr_us // sample_us
        for s in c.schemes:
            s.next_apply_sample = c.passed + (s.scheme.apply_interval_us or aggr_us) // sample_us

    def finish_sample(self) -> None:
        c = self.context
        c.apply_schemes()
        if c.passed < self.this_aggr:
            return
        if self.goal[1] and c.passed >= self.next_tune:
            self.tune()
        c.next_aggr = self.this_aggr + c.aggr_us // c.sample_us
        c.regions = self.splitter.split(
            [
                region._replace(nr_accesses=0, last_nr_accesses=region.nr_accesses)
                for region in c.regions
            ]
        )

    def tune(self) -> None:
        c = self.context
        samples = c.aggr_us // c.sample_us
        c.next_aggr = self.this_aggr
        self.next_tune += samples * self.goal[1]
        sample_us = tuned_sample_us(c.regions, c.sample_us, samples, self.goal)
        if sample_us is not None:
            self.set_intervals(sample_us, sample_us * samples)
