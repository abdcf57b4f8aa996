"""A fake kernel with tiers of memory, control groups, memory blocks and huge pages."""

from __future__ import annotations

from ..actors.fake_memory import MIB, MemoryKernel

NODES = "sys/devices/system/node"
DEMOTION = "sys/kernel/mm/numa/demotion_enabled"
BALANCING = "proc/sys/kernel/numa_balancing"
THP = "sys/kernel/mm/transparent_hugepage"
HIGH_PAGES = 1_024
TOTAL_BYTES = 1_024 * MIB


class TierKernel(MemoryKernel):
    """Each node is a tier of its own; node ``n`` has the movable blocks ``4 + n`` and so on."""

    def __init__(self, nr_nodes: int = 2, version: str = "7.3") -> None:
        super().__init__()
        major, minor = version.split(".")
        self.version = int(major), int(minor)
        self.last_command = ""
        self.free = dict.fromkeys(range(nr_nodes), 512 * MIB)
        last = nr_nodes - 1
        self.files |= {
            f"{NODES}/online": f"0-{last}",
            f"{NODES}/has_memory": f"0-{last}",
            DEMOTION: "false",
            BALANCING: "3",
            "proc/iomem": f"00001000-{8 * 128 * MIB - 1:08x} : System RAM\n",
            f"{THP}/enabled": "always [madvise] never",
            f"{THP}/khugepaged/max_ptes_none": "511",
            f"{THP}/khugepaged/scan_sleep_millisecs": "10000",
        }
        zones = (f"Node {node}, zone Normal\n  high     {HIGH_PAGES}\n" for node in self.free)
        self.files["proc/zoneinfo"] = "".join(zones)
        for node in self.free:
            self.files[f"{NODES}/node{node}/cpulist"] = "0-1" if node == 0 else ""
            distances = (10 + 10 * abs(node - other) for other in self.free)
            self.files[f"{NODES}/node{node}/distance"] = " ".join(map(str, distances))
            self.files[f"{NODES}/node{node}/memory{4 + node}/state"] = "online"
            tier = f"sys/devices/virtual/memory_tiering/memory_tier{4 + 10 * node}"
            self.files[f"{tier}/nodelist"] = str(node)
        for node in self.free:
            self.files[f"{NODES}/node{node}/meminfo"] = ""

    def add_cgroup(self, path: str, *, resident: dict[int, int] | None = None) -> None:
        folder = f"sys/fs/cgroup{path}"
        shares = " ".join(f"N{node}={size}" for node, size in (resident or {0: 0}).items())
        self.cgroups.add(path)
        self.files |= {
            f"{folder}/cgroup.procs": "",
            f"{folder}/memory.current": str(sum((resident or {}).values())),
            f"{folder}/memory.numa_stat": f"anon {shares}\nfile N0=8192\nfile_mapped N0=4096\n",
            f"{folder}/memory.stat": f"anon 1\nanon_thp {2 * MIB}\n",
        }

    def remove_cgroup(self, path: str) -> None:
        self.cgroups.discard(path)
        folder = f"sys/fs/cgroup{path}/"
        self.files = {name: t for name, t in self.files.items() if not name.startswith(folder)}

    def read(self, path: str) -> str:
        if path.startswith(NODES) and path.endswith("/meminfo"):
            node = int(path.removeprefix(f"{NODES}/node").partition("/")[0])
            sizes = {"MemTotal": TOTAL_BYTES >> 10, "MemFree": self.free[node] >> 10}
            lines = (f"Node {node} {name}: {kib} kB" for name, kib in sizes.items())
            self.files[path] = "\n".join(lines)
        return super().read(path)

    def _store(self, path: str, text: str) -> None:
        if path.endswith("/state") and "/kdamonds/" in path:
            self.last_command = path
        if path == DEMOTION:
            self.files[path] = {"1": "true", "0": "false"}[text]
        else:
            super()._store(path, text)

    def running_schemes(self, kdamond: int) -> list[dict[str, str]]:
        """What each scheme of a kdamond holds, by the ends of its files' paths."""
        committed = self.kdamonds[kdamond].committed or {}
        count = int(committed.get("schemes/nr_schemes", "0"))
        return [
            {
                path.removeprefix(f"schemes/{index}/"): text
                for path, text in committed.items()
                if path.startswith(f"schemes/{index}/")
            }
            for index in range(count)
        ]
