"""The simulator and the decision path, in C.

Buffers are C-contiguous and are written in place: a NumPy array, an ``array.array``, a
``memoryview``. ``F`` below is ``len(observation_names(groups))``, ``K`` is
``len(knob_names(groups))`` and ``T`` is ``len(TRUTH_NAMES)``. A row is one tenant of one host;
hosts have the same number of tenants, and their rows follow one another.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypedDict

# Python can say "buffer" in a type only from 3.12 on.
Buffer: TypeAlias = Any

KNOB_GROUPS: tuple[str, ...]
TRUTH_NAMES: tuple[str, ...]
FORECAST_HORIZONS_S: tuple[float, ...]
MIN_WORKED_SHARE: float
"""A tenant that uses less of a CPU than this cannot be slowed down measurably."""

_Param = tuple[str, float, float, float, float, bool]
FAMILIES: dict[str, tuple[_Param, ...]]
"""Per workload family: (name, low, high, least, most, log-uniform) of each parameter."""
RECORDED: tuple[_Param, ...]
"""The same for the family "recorded", which is not in ``FAMILIES``: it needs a program."""
PROFILE: tuple[_Param, ...]
"""The same for the host profile."""

_Range = tuple[float, float]

class _FlatScheme(TypedDict):
    action: str
    min_sz_bytes: int
    max_sz_bytes: int
    min_nr_accesses: int
    max_nr_accesses: int
    min_age: int
    max_age: int
    sz_bytes: int
    reset_interval_ms: int
    weight_sz_permille: int
    weight_nr_accesses_permille: int
    weight_age_permille: int
    goal_tuner: str
    goals: tuple[tuple[str, int, int], ...]
    """Metric, target value, node."""
    filters: tuple[tuple[str, bool, bool, int, int], ...]
    """Type, matching, allow, first address, end of the addresses."""
    dests: tuple[tuple[int, int], ...]
    """Node, weight."""

class _Plan(TypedDict):
    schemes: tuple[_FlatScheme, ...]
    promote: _FlatScheme | None
    demote: _FlatScheme | None
    spare_bytes: int | None
    clock_cap: float | None

def observation_names(groups: Collection[str], /) -> tuple[str, ...]:
    """The features that a policy of these knob groups sees, in order.

    Raises ``ValueError`` for a name that is no group, and where none has a knob.
    """

def knob_names(groups: Collection[str], /) -> tuple[str, ...]:
    """The knobs that it sets, in order; raises as ``observation_names``."""

def careful_action(groups: Collection[str], /) -> tuple[float, ...]:
    """The action, K in [-1, 1], that does least; raises as ``observation_names``."""

def action_of(knob: str, value: float, /) -> float:
    """The action in [-1, 1] that stands for a value of a knob, clamped to its scale.

    Quotas are in shares of the tenant's memory a second. Raises ``ValueError`` for no knob's name.
    """

class Spec:
    """Ranges from which a simulated host's episodes are drawn."""

    def __init__(
        self,
        family: str,
        workload: Mapping[str, _Range] = ...,
        profile: Mapping[str, _Range] = ...,
        program: Buffer | None = None,
    ) -> None:
        """Raise ``KeyError`` for an unknown name, ``ValueError`` for a range out of bounds.

        The family "recorded" needs a ``program``, float64 rows sorted by time: (at_s, start_byte,
        end_byte, rate_hz[, touched_share = 1]), two-dimensional and contiguous. From ``at_s`` on,
        each page in [start_byte, end_byte) is accessed at ``rate_hz``; what no row has mentioned
        is untouched. The rows are copied. Raises ``ValueError`` for rows that make no sense.
        """

class Batch:
    """Simulated hosts that are stepped together, on several threads, without the GIL."""

    def __init__(
        self,
        nr_hosts: int,
        nr_threads: int = 1,
        sample_us: int = 5000,
        aggr_us: int = 100000,
        min_nr_regions: int = 10,
        max_nr_regions: int = 1000,
        sampler: Literal["binomial", "per-check"] = "binomial",
        nr_tenants: int = 1,
        groups: Collection[str] = ("reclaim",),
    ) -> None: ...
    def reset(
        self,
        host: int,
        spec: Spec | tuple[Spec, ...],
        seed: int,
        budget: float | tuple[float, ...],
        observation: Buffer | None = None,
        /,
    ) -> None:
        """Draw a new episode; ``observation`` receives tenants x F float32.

        With several tenants there is a spec for each, of which the first has the host's profile,
        and one budget for all or one each. Each tenant is monitored by a context of its own; with
        the group "tiering", on a host with slow memory, the fast node by one more and the slow
        node by the last.
        """

    def set_contexts(self, host: int, contexts: Sequence[object], /) -> None:
        """Monitor by these ``sim.SimContext`` from now on, without schemes.

        Raises ``ValueError`` for one that makes no sense. Actions and observations need the
        contexts of a reset.
        """

    def set_schemes(self, host: int, schemes: Sequence[object], context: int = 0, /) -> None:
        """Commit ``host.Scheme`` objects; those at the same index keep statistics and charges."""

    def broken_invariant(self, host: int, /) -> str | None:
        """What must hold of a host's memory and regions and does not, or None."""

    def set_power(self, host: int, offline_blocks: int, clock_cap: float, /) -> None:
        """Ask for memory blocks offline, and for a memory clock capped to a share of its own."""

    def keep_spare(self, host: int, spare_bytes: int, clock_cap: float, /) -> None:
        """Ask for as many memory blocks offline as leave ``spare_bytes`` online and free."""

    def step(
        self,
        actions: Buffer | None,
        us: int,
        observations: Buffer | None = None,
        truth: Buffer | None = None,
        /,
    ) -> None:
        """Run ``us`` microseconds on every host.

        ``actions`` (rows x K float32) go through the decision path first; ``None`` leaves the
        schemes as they are. ``observations`` receives rows x F float32, ``truth`` rows x T
        float64, as differences over this step.
        """

    def snapshot(self, host: int, context: int = 0, /) -> dict[str, Any]: ...
    def knobs(self, row: int, /) -> dict[str, float]: ...
    def reasons(self, row: int, /) -> tuple[str, ...]: ...
    def parameters(self, host: int, tenant: int = 0, /) -> dict[str, float]: ...
    def load(self, host: int, tenant: int = 0, /) -> list[tuple[float, float]]:
        """Accesses a second of each page, and touched share, of each of a tenant's blocks.

        Blocks are equal parts of the tenant's memory; only the simulator knows this.
        """

    def read_load(self, host: int, rates: Buffer, touched: Buffer, tenant: int = 0, /) -> None:
        """As ``load``, into two buffers of a float32 for each block."""

    def file_blocks(self, host: int, tenant: int = 0, /) -> bytes:
        """For each of a tenant's blocks, 1 where it holds pages of files, else 0."""

    def has_twin(self, host: int, /) -> bool:
        """Whether a twin that nobody manages runs beside this host, to compare with."""

    def machine(self, host: int, /) -> dict[str, Any]:
        """What a host shows beside DAMON: tiers in bytes, memory blocks, energy, OOM kills."""

    def region_aggregations(self) -> float: ...

class Decider:
    """The decision path of one tenant, around the network: observe, answer, act.

    The limits may be narrower than the guard's own, which are the defaults. So much of the time
    that passes counts as worked at least as ``min_worked_share`` says, 1 being that of one CPU:
    from MIN_WORKED_SHARE to 1. ``ValueError`` otherwise.
    """

    def __init__(
        self,
        budget: float,
        *,
        groups: Collection[str] = ("reclaim",),
        min_age_s: float = 2.0,
        max_quota_bytes_per_s: float = 4294967296.0,
        max_age_division: float = 4.0,
        min_worked_share: float = ...,
    ) -> None: ...
    def set_budget(self, budget: float, /, *, min_worked_share: float = ...) -> None:
        """Decide for another budget from now on; all else goes on."""

    def set_limits(
        self,
        *,
        min_age_s: float = 2.0,
        max_quota_bytes_per_s: float = 4294967296.0,
        max_age_division: float = 4.0,
    ) -> None:
        """Decide within other limits from now on; all else goes on."""

    def observe(
        self, snapshot: object, observation: Buffer, /, *, tripped: Collection[str] = ()
    ) -> None:
        """Take in a ``host.Snapshot``; ``observation`` receives F float32.

        ``tripped`` stops page-out for what a snapshot does not show: pressure (less than the
        guard itself bears), swap, fast_node, refaults, score.
        """

    def act(self, action: Buffer, /) -> _Plan:
        """Decode, guard and plan the K float32 of ``action``."""

    def knobs(self) -> dict[str, float]: ...
    def reasons(self) -> tuple[str, ...]: ...
    def rates(self) -> dict[str, float]: ...
    @property
    def hold_left_s(self) -> float:
        """For how long the guard still keeps page-out off, in seconds."""

class Network:
    """A policy's network; ``parameters`` alternates weights (row-major) and biases, float32.

    ``output`` brings the last layer into [-1, 1]: clip or tanh.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        mean: Buffer,
        scale: Buffer,
        clip: float,
        parameters: Sequence[Buffer],
        output: str = "clip",
    ) -> None: ...
    def forward(self, observations: Buffer, actions: Buffer, /) -> None:
        """Answer rows of float32 observations with rows of float32 actions in [-1, 1]."""

class History:
    """How hot a tenant's addresses were at each of the last 256 control intervals.

    Addresses are followed in at most 128 chunks of ``chunk_bytes``, which doubles and halves with
    what is monitored. ``nr_steps`` is how many snapshots were taken in.
    """

    def update(self, snapshot: object, /, *, acted_age: int = 4294967295) -> None:
        """Take in a ``host.Snapshot``; one that is older than the last begins anew.

        ``acted_age`` is the least age, in aggregations, at which a scheme that runs acts: from
        there on a young age tells of no access, because acting makes ages begin anew.
        """

    def chunks(self) -> tuple[int, ...]:
        """The first address of each chunk, ascending."""

    def times_us(self) -> tuple[int, ...]:
        """When each step was observed, the newest first."""

    def heat(self) -> bytes:
        """Steps x chunks, the newest step first.

        0 is no access since the step before, as far as DAMON tells; 1 to 255 the share of samples
        with an access.
        """

    @property
    def chunk_bytes(self) -> int: ...
    @property
    def nr_steps(self) -> int: ...

class Attributes:
    """How the chunks of a history are used over time; ``nr_steps`` is how many snapshots it has.

    It keeps a history of its own.
    """

    def update(self, snapshot: object, /, *, acted_age: int = 4294967295) -> None:
        """Take in a ``host.Snapshot``.

        ``acted_age`` is the least age, in aggregations, at which a scheme that runs acts: from
        there on ages tell nothing, because acting makes them begin anew.
        """

    def chunks(self) -> tuple[tuple[int, int, float, float, _Pattern, float, int, int], ...]:
        """Of each chunk: start, end, monitored bytes, heat, pattern, reuse, group, direction.

        The heat is the mean share of samples with an access; the reuse in seconds, 0 for steady
        and -1 for not known; the group 0 for none; the direction of a sequential chunk 1 or -1.
        """

    def features(self) -> dict[str, float]:
        """All chunks together, by name, each within [-1, 1]."""

    @property
    def nr_steps(self) -> int: ...

_Pattern = Literal["idle", "steady", "sequential", "irregular"]

class Forecast:
    """What a tenant will use: how much of its memory, how hot, and which addresses."""

    def update(self, history: History, snapshot: object, /) -> None:
        """Take in a ``host.Snapshot`` that ``history`` has just taken in."""

    def now(self) -> dict[str, float]:
        """Shares of the monitored bytes in the last snapshot.

        ``working_set`` was accessed since the one before; ``idle``, ``rare`` (an access in at most
        10 % of the samples), ``warm`` (50 %) and ``hot`` are all of it in the last aggregation.
        """

    def ahead(self) -> tuple[dict[str, float], ...]:
        """The same shares, forecast for each of ``FORECAST_HORIZONS_S``."""

    def needed(
        self, history: History, horizon_s: float, most: int = 128, /
    ) -> tuple[tuple[int, int], ...]:
        """Addresses (start, end) that are not in use now and will be within ``horizon_s``.

        At most ``most`` ranges, largest evidence first: what was accessed at the same time of
        earlier periods. Empty where no period is seen.
        """

    @property
    def period_s(self) -> float:
        """After how long the use of addresses repeats, 0 where it does not."""

    @property
    def strength(self) -> float:
        """From 0 (no period) to 1 (each period is like the last)."""

_Region = (
    tuple[int, int, int, int, int]
    | tuple[int, int, int, int, int, int]
    | tuple[int, int, int, int, int, int, bytes, bytes]
)

class _SchemeState(TypedDict):
    stats: tuple[int, ...]
    esz: int
    esz_bp: int
    charged: int
    min_score: int
    next_apply_sample: int
    activated: bool
    resumes: bool
    resume_target: int
    resume_addr: int

class _Memory(Protocol):
    """What a Monitor asks, in place of memory."""

    def check_accesses(self, nr_samples: int, /) -> Sequence[int]:
        """How many of the samples found an access, of each region."""

    def apply(
        self, action: int, target: int, start: int, end: int, core_allowed: int, /
    ) -> tuple[int, int, float]:
        """Bytes applied, bytes that passed the filters of pages, and microseconds taken."""

    def goal_value(self, metric: int, nid: int, /) -> int: ...
    def free_mem_permille(self) -> int: ...

class Monitor:
    """DAMON and DAMOS, step by step or as a whole.

    A region is (start, end, nr_accesses, last_nr_accesses, age, target, probe hits, last probe
    hits); the hits are four bytes.
    """

    def __init__(
        self,
        sample_us: int = 5000,
        aggr_us: int = 100000,
        min_nr_regions: int = 10,
        max_nr_regions: int = 1000,
        min_region_sz: int = 4096,
        seed: int = 0,
        intervals_goal: tuple[int, int, int, int] = (0, 0, 0, 0),
        paddr: bool = False,
    ) -> None: ...
    def set_regions(self, regions: Sequence[_Region], /) -> None: ...
    def regions(self) -> list[tuple[int, int, int, int, int, int, bytes, bytes]]: ...
    def update_ranges(self, target: int, ranges: Sequence[tuple[int, int]], /) -> None: ...
    def set_probes(self, *weights: int) -> None: ...
    def merge(self, threshold: int, sz_limit: int, /) -> None: ...
    def split(self) -> None: ...
    def apply_min_nr_regions(self) -> int: ...
    def set_attrs(self, sample_us: int, aggr_us: int, /) -> None: ...
    def commit_attrs(self, sample_us: int, aggr_us: int, /) -> None: ...
    def set_passed_samples(self, passed: int, /) -> None: ...
    def nr_accesses_mvsum(self, region: int, /) -> int: ...
    def commit_schemes(self, schemes: Sequence[object], /) -> None: ...
    def commit_goals(self, schemes: Sequence[object], /) -> None: ...
    def commit_pause(self, paused: bool, now_us: int, /) -> None: ...
    def apply_schemes(self, memory: _Memory, now_us: int, /) -> None: ...
    def start(self, now_us: int, /) -> None: ...
    def next_event_us(self) -> int: ...
    def catch_up(self, memory: _Memory, now_us: int, /) -> None: ...
    def run(self, memory: _Memory, now_us: int, /) -> None: ...
    def intervals(self) -> tuple[int, int]: ...
    def passed_samples(self) -> int: ...
    def schemes(self) -> list[_SchemeState]: ...
    def broken_invariant(self) -> str | None: ...

def feed_loop(last_input: int, score: int, /) -> int: ...
def mvsum(nr_accesses: int, last_nr_accesses: int, left_bp: int, /) -> int: ...
def hot_score(
    nr_accesses: int,
    age: int,
    sample_us: int,
    aggr_us: int,
    weight_nr_accesses: int,
    weight_age: int,
    /,
) -> int: ...
def binomial(n: int, p: float, nr_draws: int, seed: int, /) -> list[int]: ...
def bench_address(memory: Buffer, /) -> int: ...
def bench_fill(memory: Buffer, pattern: int, /) -> None: ...
def bench_random_ns(
    memory: Buffer, nr_accesses: int, nr_chains: Literal[1, 8], pattern: int, seed: int, /
) -> int:
    """CPU nanoseconds of reads of random lines; in a chain each waits for the one before.

    ``memory`` is filled with ``pattern``; its size is a power of two. Like every function here
    that takes time, it runs without the GIL.
    """

def bench_copy_ns(to: Buffer, source: Buffer, repeats: int, /) -> int:
    """Nanoseconds to copy all of it, ``repeats`` times."""

def bench_copy_pages_ns(to: Buffer, source: Buffer, nr_pages: int, seed: int, /) -> int:
    """CPU nanoseconds to copy as many pages as there are, in random order."""

def bench_touch_ns(memory: Buffer, step_bytes: int, /) -> int:
    """CPU nanoseconds to write one byte every ``step_bytes``."""

def bench_bind_node(memory: Buffer, node: int, /) -> None:
    """Take what is not yet touched from ``node`` alone; raises ``OSError``."""

def bench_move_pages(memory: Buffer, unit_bytes: int, node: int, /) -> tuple[int, int]:
    """Move every unit to ``node``, or look with -1.

    Returns nanoseconds, and how many are there now (with -1: in memory at all). Raises
    ``OSError``.
    """

def bench_compression(pages: Buffer, page_bytes: int, /) -> tuple[int, int, int, int]:
    """Compress and restore each page.

    Returns CPU nanoseconds of both, how many pages became smaller, and their bytes in all.
    """

def lz_compress(data: Buffer, max_bytes: int, /) -> bytes | None: ...
def lz_decompress(data: Buffer, max_bytes: int, /) -> bytes | None: ...
