"""The log neither holds the daemon up nor ends it, whoever reads it or does not."""

from __future__ import annotations

import os

import pytest

from damon_tuner.daemon.log import Log


@pytest.fixture
def pipe():
    readable, writable = os.pipe()
    yield readable, writable
    for fd in (readable, writable):
        try:
            os.close(fd)
        except OSError:
            pass


def test_lines_are_written_one_by_one(pipe):
    log = Log(pipe[1])
    log("one")
    log("two")
    assert os.read(pipe[0], 100) == b"one\ntwo\n"


@pytest.mark.parametrize("name", ["caf\udce9", "a\x1b[2Jb", "a\rb", "a\nb", "\u2028"])
def test_names_that_are_no_text_are_escaped(pipe, name):
    Log(pipe[1])(f"tenant {name}")
    line = os.read(pipe[0], 100)
    assert line.endswith(b"\n")
    assert line[:-1].isascii()
    assert all(32 <= byte < 127 for byte in line[:-1])


def test_where_nobody_reads_lines_are_dropped_and_counted(pipe):
    log = Log(pipe[1])
    for number in range(10_000):
        log(f"line {number} {'x' * 100}")
    read = b""
    while len(chunk := os.read(pipe[0], 1 << 20)) == 1 << 20 or b"lost" not in read:
        read += chunk
        log("again")
        if b"lost" in chunk:
            break
    assert b"lines of the log were lost" in read
    assert b"again" in read + os.read(pipe[0], 1 << 20)


def test_who_hangs_up_ends_nothing(pipe):
    os.close(pipe[0])
    log = Log(pipe[1])
    log("one")
    log("two")


def test_a_disk_that_is_full_ends_nothing():
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        log = Log(fd)
        log("one")
        log("two")
    finally:
        os.close(fd)


def test_a_line_is_never_longer_than_a_pipe_takes_at_once(pipe):
    Log(pipe[1])("x" * 100_000)
    line = os.read(pipe[0], 100_000)
    assert len(line) == 4096
    assert line.endswith(b"...\n")
