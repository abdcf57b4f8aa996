"""Numbers out of the kernel's text, and errors for what is none."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from damon_tuner.errors import KernelFileError, TunerError
from damon_tuner.kernel_iface.sysfs.observe.table import (
    Table,
    chosen,
    flag,
    listed,
    number,
    since,
    word,
)

READERS = (number, flag, word, chosen, listed)


@pytest.mark.parametrize("reader", READERS)
def test_a_missing_file_is_none(tree, reader):
    assert reader(tree, "none") is None


@pytest.mark.parametrize(
    "text", ["a b\n", "-1", "1_000", "\u0663", "1.5", "9" * 5000, "0-", "3-1", "\0"]
)
@pytest.mark.parametrize("reader", READERS)
def test_garbage_is_an_error_that_names_the_file_in_one_short_line(tree, put, reader, text):
    put({"sys/file": text})
    if reader is word and len(text.split()) == 1 and text.isprintable():
        assert reader(tree, "sys/file") == text
        return
    with pytest.raises(KernelFileError, match="/sys/file holds") as caught:
        reader(tree, "sys/file")
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("reader", READERS)
def test_a_folder_in_a_files_place_is_an_error(tree, tmp_path, reader):
    (tmp_path / "file").mkdir()
    with pytest.raises(TunerError, match="EISDIR"):
        reader(tree, "file")


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (number, "0\n", 0),
        (number, "18446744073709551615\n", 2**64 - 1),
        (flag, "Y\n", True),
        (flag, "0\n", False),
        (flag, "false\n", False),
        (word, "lz4\n", "lz4"),
        (chosen, "always [madvise] never\n", "madvise"),
        (chosen, "[lz4] lz4hc zstd \n", "lz4"),
        (listed, "0-3,8\n", (0, 1, 2, 3, 8)),
        (listed, "\n", ()),
        (listed, "7\n", (7,)),
    ],
)
def test_what_is_read(tree, put, reader, text, value):
    put({"file": text})
    assert reader(tree, "file") == value


def test_a_list_without_end_is_refused(tree, put):
    put({"file": "0-99999999999999"})
    with pytest.raises(KernelFileError):
        listed(tree, "file")


def test_a_table(tree, put):
    put({"file": "some words without a number\nMemFree:   12 kB\nbad x\nempty\n"})
    table = Table.read(tree, "file")
    assert table is not None
    assert table.number("MemFree") == 12
    assert table.kib("MemFree") == 12 << 10
    assert table.number("MemTotal") is None
    assert table.kib("MemTotal") is None
    for ask in (table.number, table.needed):
        with pytest.raises(KernelFileError, match="/file holds 'x'"):
            ask("bad")
    with pytest.raises(KernelFileError, match="/file has no line MemTotal"):
        table.needed("MemTotal")


@pytest.mark.parametrize("text", ["", "\n\n", "word\n", "\x00\xff"])
def test_a_table_without_lines_is_an_error(tree, put, text):
    put({"file": text})
    with pytest.raises(KernelFileError, match="/file holds"):
        Table.read(tree, "file")


def test_how_far_counters_came():
    @dataclass(frozen=True, slots=True)
    class Some:
        grown: int | None
        same: int | None
        reset: int | None
        lost: int | None
        new: int | None

    assert since(Some(5, 7, 3, None, 1), Some(2, 7, 4, 1, None)) == Some(3, 0, None, None, None)
