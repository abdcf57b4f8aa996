"""The kernel's descriptions of events and pages."""

from __future__ import annotations

import pytest

from damon_tuner.errors import DamonMissingError
from damon_tuner.kernel_iface.tracing import EventFormat, PageLayout

from .ring_pages import DAMON_AGGREGATED, EVENT, LAYOUT, aggregated


def test_the_page_is_described() -> None:
    assert LAYOUT == PageLayout(commit_offset=8, commit_size=8, data_offset=16, page_bytes=4096)


def test_fields_are_taken_from_where_the_kernel_puts_them() -> None:
    (payload,) = aggregated([(4096, 8192, 3, 17)])
    decoder = EVENT.decoder(("common_pid", "start", "end", "nr_accesses", "age"))
    assert decoder.unpack_from(payload) == (77, 4096, 8192, 3, 17)


def test_an_array_is_a_field_by_its_name() -> None:
    hits = "\tfield:__data_loc unsigned char[] hits;\toffset:48;\tsize:4;\tsigned:0;\n"
    assert EventFormat.parse(DAMON_AGGREGATED + hits).fields["hits"].offset == 48


def test_a_field_that_is_missing_is_named() -> None:
    with pytest.raises(DamonMissingError, match="no field rhythm"):
        EVENT.decoder(("start", "rhythm"))


@pytest.mark.parametrize("text", ["", "name: x\nID: 1\n", "nothing of this kind"])
def test_another_description_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(DamonMissingError, match="through sysfs"):
        EventFormat.parse(text)
    with pytest.raises(DamonMissingError, match="through sysfs"):
        PageLayout.parse(text)
