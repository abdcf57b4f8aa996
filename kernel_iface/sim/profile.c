/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is absent by default (a slow tier, huge pages, a price on energy) a profile file switches
 * on.  Sources of the constants are in envs/profiles.
 */
#include "profile.h"

const struct param profile_params[NR_PROFILE_PARAMS] = {
	/* fast memory of the host over the footprint of its tenants */
	[PROFILE_MEMORY_RATIO] = { "memory_ratio", 1.1, 3, 0.05, 1e6, true },
	/* CPUs over the tenants' threads */
	[PROFILE_CPU_RATIO] = { "cpu_ratio", 1, 4, 0.1, 1e6, true },
	/* part of the host's memory that compressed pages may occupy, before compression */
	[PROFILE_POOL_SHARE] = { "pool_share", 0, 1, 0, 8, false },
	[PROFILE_COMPRESSION_RATIO] = { "compression_ratio", 2, 4, 1, 100, false },
	[PROFILE_INCOMPRESSIBLE_SHARE] = { "incompressible_share", 0, 0.2, 0, 1, false },
	/* swap device over the host's memory */
	[PROFILE_SWAP_RATIO] = { "swap_ratio", 0.25, 2, 0, 1e6, false },
	[PROFILE_COMPRESSED_IN_US] = { "compressed_in_us", 4, 100, 0, 1e6, true },
	[PROFILE_SWAP_IN_US] = { "swap_in_us", 25, 200, 0, 1e6, true },
	[PROFILE_PAGE_OUT_US] = { "page_out_us", 1, 30, 0, 1e6, true },
	[PROFILE_PAGE_WALK_US] = { "page_walk_us", 0.01, 0.1, 0, 1e6, true },
	[PROFILE_CHECK_US] = { "check_us", 0.1, 0.5, 0, 1e6, true },
	/* how much of the stall time the kernel's pressure accounting shows */
	[PROFILE_PRESSURE_VISIBILITY] = { "pressure_visibility", 0, 1, 0, 1, false },
	/* what the host believes a fault costs, over what it does cost */
	[PROFILE_SWAP_IN_ERROR] = { "swap_in_error", 0.7, 1.4, 0.01, 100, true },
	/* price of a swapped byte over a byte of DRAM */
	[PROFILE_SWAP_PRICE] = { "swap_price", 0.02, 0.02, 0, 1, false },
	/* addresses that DAMON monitors and nothing is mapped at, over the footprint */
	[PROFILE_GAP_SHARE] = { "gap_share", 0, 0.15, 0, 4, false },

	[PROFILE_FAST_NS] = { "fast_ns", 80, 110, 1, 1e6, true },
	[PROFILE_SLOW_NS] = { "slow_ns", 140, 410, 1, 1e6, true },
	/* slow memory of the host over the footprint; 0: there is none */
	[PROFILE_SLOW_RATIO] = { "slow_ratio", 0, 0, 0, 1e6, false },
	/* price of a byte of slow memory over a byte of fast */
	[PROFILE_SLOW_PRICE] = { "slow_price", 0.5, 1, 0, 1, false },
	[PROFILE_FAST_GBPS] = { "fast_gbps", 40, 300, 0.1, 1e6, true },
	[PROFILE_SLOW_GBPS] = { "slow_gbps", 15, 60, 0.1, 1e6, true },
	[PROFILE_MIGRATE_PAGE_US] = { "migrate_page_us", 0.7, 1.5, 0, 1e6, true },
	[PROFILE_MIGRATE_HUGE_US] = { "migrate_huge_us", 100, 250, 0, 1e6, true },
	/* 1: what kswapd reclaims goes to the slow tier while it has room */
	[PROFILE_NUMA_DEMOTION] = { "numa_demotion", 0, 0, 0, 1, false },
	/* share of free memory below which kswapd starts */
	[PROFILE_LOW_WMARK_PERMILLE] = { "low_wmark_permille", 5, 20, 0, 500, true },

	/* 0 never, 1 madvise, 2 always */
	[PROFILE_THP_MODE] = { "thp_mode", 0, 0, 0, 2, false },
	[PROFILE_KHUGEPAGED_PAGES_PER_S] = { "khugepaged_pages_per_s", 409.6, 409.6, 0, 1e9, true },
	[PROFILE_FAULT_US] = { "fault_us", 0.1, 1, 0, 1e6, true },
	[PROFILE_HUGE_FAULT_US] = { "huge_fault_us", 50, 200, 0, 1e6, true },
	[PROFILE_COLLAPSE_US] = { "collapse_us", 100, 500, 0, 1e6, true },
	[PROFILE_SPLIT_US] = { "split_us", 5, 20, 0, 1e6, true },

	[PROFILE_MEMORY_BLOCK_MIB] = { "memory_block_mib", 128, 2048, 4, 1048576, true },
	/* memory blocks that hold pages which cannot be moved */
	[PROFILE_UNMOVABLE_SHARE] = { "unmovable_share", 0.1, 0.4, 0, 1, false },
	[PROFILE_OFFLINE_S_PER_GIB] = { "offline_s_per_gib", 0.2, 2, 0, 1e6, true },
	[PROFILE_ONLINE_S] = { "online_s", 0.02, 0.2, 0, 1e6, true },
	[PROFILE_ACTIVE_MW_PER_GIB] = { "active_mw_per_gib", 73, 73, 0, 1e6, true },
	[PROFILE_STANDBY_MW_PER_GIB] = { "standby_mw_per_gib", 55, 55, 0, 1e6, true },
	[PROFILE_POWERDOWN_MW_PER_GIB] = { "powerdown_mw_per_gib", 41, 41, 0, 1e6, true },
	[PROFILE_SELF_REFRESH_MW_PER_GIB] = { "self_refresh_mw_per_gib", 36, 36, 0, 1e6, true },
	/* price of a joule over the price of a GiB of DRAM for a second */
	[PROFILE_ENERGY_PRICE] = { "energy_price", 0, 0, 0, 1e6, false },
	[PROFILE_RANKS] = { "ranks", 4, 16, 1, 1024, true },
	/* 1: ranks are interleaved, and no part of memory can be powered down alone */
	[PROFILE_INTERLEAVED] = { "interleaved", 0, 1, 0, 1, false },
	/* the memory clock's cap over its full speed when the episode starts */
	[PROFILE_CLOCK_CAP] = { "clock_cap", 1, 1, 0.1, 1, false },
	/* part of the memory's power that follows its clock */
	[PROFILE_CLOCK_POWER_SHARE] = { "clock_power_share", 0.3, 0.5, 0, 1, false },
};
