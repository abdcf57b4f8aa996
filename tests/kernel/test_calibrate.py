"""What swap and page-out cost is measured where there is swap."""

import os

from damon_tuner.kernel_iface.calibrate import limits, swap
from damon_tuner.kernel_iface.calibrate.host_files import HostFiles


def test_swap_costs_are_measured() -> None:
    assert int(os.environ["DAMON_TUNER_GUEST_SWAP_BYTES"]) > 0
    files = HostFiles()
    findings = swap.findings(limits(8, quick=True, files=files), files)
    found = {finding.name: finding for finding in findings}
    place = "compressed_in_us" if swap.compresses_first(files) else "swap_in_us"
    assert 1.0 < found[place].median < 20_000.0
    assert 0.1 < found["page_out_us"].median < 20_000.0
