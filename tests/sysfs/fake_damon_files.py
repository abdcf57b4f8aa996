"""The files below each directory that a write to ``nr_*`` makes, with Linux 7.3's defaults."""

SCHEME = {
    "action": "stat",
    "apply_interval_us": "0",
    "target_nid": "-1",
    "access_pattern/sz/min": "0",
    "access_pattern/sz/max": "0",
    "access_pattern/nr_accesses/min": "0",
    "access_pattern/nr_accesses/max": "0",
    "access_pattern/age/min": "0",
    "access_pattern/age/max": "0",
    "quotas/ms": "0",
    "quotas/bytes": "0",
    "quotas/reset_interval_ms": "0",
    "quotas/effective_bytes": "0",
    "quotas/weights/sz_permil": "0",
    "quotas/weights/nr_accesses_permil": "0",
    "quotas/weights/age_permil": "0",
    "watermarks/metric": "none",
    "watermarks/interval_us": "0",
    "watermarks/high": "0",
    "watermarks/mid": "0",
    "watermarks/low": "0",
    "stats/nr_tried": "0",
    "stats/sz_tried": "0",
    "stats/nr_applied": "0",
    "stats/sz_applied": "0",
    "stats/qt_exceeds": "0",
    "tried_regions/total_bytes": "0",
}

CONTEXT = {
    "avail_operations": "vaddr\nfvaddr\npaddr",
    "operations": "vaddr",
    "pause": "N",
    "monitoring_attrs/intervals/sample_us": "5000",
    "monitoring_attrs/intervals/aggr_us": "100000",
    "monitoring_attrs/intervals/update_us": "60000000",
    "monitoring_attrs/nr_regions/min": "10",
    "monitoring_attrs/nr_regions/max": "1000",
    "targets/nr_targets": "0",
    "schemes/nr_schemes": "0",
}

CHILDREN = {
    "nr_kdamonds": {
        "state": "off",
        "pid": "-1",
        "refresh_ms": "0",
        "contexts/nr_contexts": "0",
    },
    "nr_contexts": CONTEXT,
    "nr_targets": {"pid_target": "0", "obsolete_target": "N", "regions/nr_regions": "0"},
    "nr_regions": {"start": "0", "end": "0"},
    "nr_schemes": SCHEME,
}

WORDS = {
    "operations": {"vaddr", "fvaddr", "paddr"},
    "metric": {"none", "free_mem_rate"},
    "action": {
        *("willneed", "cold", "pageout", "hugepage", "nohugepage", "collapse"),
        *("lru_prio", "lru_deprio", "migrate_hot", "migrate_cold", "stat"),
    },
}

BOOLEANS = {"pause", "obsolete_target"}

READ_ONLY = {
    *("pid", "avail_operations", "effective_bytes", "total_bytes"),
    *("nr_tried", "sz_tried", "nr_applied", "sz_applied", "qt_exceeds"),
}
