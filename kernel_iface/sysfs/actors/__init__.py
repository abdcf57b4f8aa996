"""What acts on memory beside DAMON: memory blocks, memory clocks, reclaim from control groups."""

from damon_tuner.kernel_iface.sysfs.actors.actor import Actor, ActorStats, Request
from damon_tuner.kernel_iface.sysfs.actors.cgroup_reclaim import CgroupReclaim, ReclaimRequest
from damon_tuner.kernel_iface.sysfs.actors.clocks import ClocksRequest, MemoryClocks
from damon_tuner.kernel_iface.sysfs.actors.collection import ActorRequest, Actors
from damon_tuner.kernel_iface.sysfs.actors.memory_blocks import BlocksRequest, MemoryBlocks
from damon_tuner.kernel_iface.sysfs.actors.pace import Pace

__all__ = [
    "Actor",
    "ActorRequest",
    "ActorStats",
    "Actors",
    "BlocksRequest",
    "CgroupReclaim",
    "ClocksRequest",
    "MemoryBlocks",
    "MemoryClocks",
    "Pace",
    "ReclaimRequest",
    "Request",
]
