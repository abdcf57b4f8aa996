"""The archives that the guest's root file system is made of, without booting."""

import io
import lzma
import marshal
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from damon_tuner.kernel_iface.guest import GuestSpec, python_tree
from damon_tuner.kernel_iface.guest.cache import published
from damon_tuner.kernel_iface.guest.cpio import CpioWriter
from damon_tuner.kernel_iface.guest.modules import load_order, read_module
from damon_tuner.kernel_iface.guest.overlay import append_overlay


def test_cpio_is_read_back_as_written(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_bytes(b"#!/bin/sh\n")
    script.chmod(0o755)
    stream = io.BytesIO()
    with CpioWriter(stream) as archive:
        archive.file("/a/deep/file", b"12345", 0o600)
        archive.copy("a/script", script)
        archive.link("a/link", "deep/file")
        archive.folder("a")
        archive.character_device("dev/console", 5, 1)
    entries = read_newc(stream.getvalue())
    assert list(entries) == [
        *("a", "a/deep", "a/deep/file", "a/script", "a/link", "dev", "dev/console")
    ]
    assert entries["a/deep/file"].content == b"12345"
    assert entries["a/deep/file"].mode == stat.S_IFREG | 0o600
    assert entries["a/script"].mode == stat.S_IFREG | 0o755
    assert entries["a/link"].content == b"deep/file"
    assert stat.S_ISDIR(entries["a"].mode) and stat.S_ISLNK(entries["a/link"].mode)
    assert entries["dev/console"].device == (5, 1)


def test_overlay_holds_the_project_as_it_is_now(tmp_path: Path) -> None:
    image, extra = tmp_path / "image", tmp_path / "extra"
    (extra / "sub").mkdir(parents=True)
    (extra / "sub/file").write_text("mine")
    files = {"given": extra, "/etc/one": extra / "sub/file"}
    append_overlay(image, ["echo", "it's"], GuestSpec(swap_bytes=4096), files, {"A": "b c"})
    entries = read_newc(image.read_bytes())
    host = entries["project/damon_tuner/kernel_iface/host.py"]  # a room behind a symbolic link
    assert host.content == Path(python_tree.__file__).parents[1].joinpath("host.py").read_bytes()
    assert stat.S_ISDIR(entries["project/damon_tuner/kernel_iface"].mode)
    assert {"project/pyproject.toml", "project/tests/kernel/conftest.py"} <= entries.keys()
    assert entries["project/given/sub/file"].content == b"mine"
    assert entries["etc/one"].content == b"mine"
    assert stat.S_IMODE(entries["init"].mode) == 0o755
    assert entries["guest/settings"].content.startswith(b"swap_bytes=4096\n")
    script = entries["guest/command"].content.decode()
    assert "export A='b c'\n" in script and script.endswith("exec echo 'it'\"'\"'s'")
    assert not [name for name in entries if name.endswith((".c", ".h"))]


def test_bytecode_is_never_compared_with_its_source() -> None:
    content = python_tree.bytecode(b"x = 1", PurePosixPath("/p/m.py"))
    assert int.from_bytes(content[4:8], "little") == 1  # hash-based, unchecked: PEP 552
    assert marshal.loads(content[16:]).co_filename == "/p/m.py"


def test_modules_come_after_what_they_need(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name, needs in (("zram", "lz4hc-x,zsmalloc"), ("lz4hc_x", "lib"), ("lib", "")):
        content = b"ELF\0name=x\0depends=" + needs.encode() + b"\0license=GPL\0"
        (tmp_path / "sub" / f"{name.replace('_', '-')}.ko.xz").write_bytes(lzma.compress(content))
    order = load_order(tmp_path, ["built_in", "zram", "lib"])
    assert [path.name for path in order] == ["lib.ko.xz", "lz4hc-x.ko.xz", "zram.ko.xz"]
    assert read_module(order[0]).startswith(b"ELF")


def test_a_cache_entry_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "entry"
    with pytest.raises(RuntimeError), published(target) as scratch:
        (scratch / "half").touch()
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    with published(target) as scratch:
        (scratch / "whole").touch()
        assert not target.exists()
    assert (target / "whole").exists()


@dataclass(frozen=True)
class Entry:
    mode: int
    content: bytes
    device: tuple[int, int]


def read_newc(archive: bytes) -> dict[str, Entry]:
    """Return name to entry; asserts the format's rules on the way."""
    entries: dict[str, Entry] = {}
    inodes: set[int] = set()
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        name_at, size, name_size = at + 110, fields[6], fields[11]
        name = archive[name_at : name_at + name_size - 1].decode()
        content_at = _aligned(name_at + name_size)
        at = _aligned(content_at + size)
        if name == "TRAILER!!!":
            assert at == len(archive)
            return entries
        assert name not in entries and fields[0] not in inodes
        inodes.add(fields[0])
        content = archive[content_at : content_at + size]
        entries[name] = Entry(fields[1], content, (fields[9], fields[10]))


def _aligned(position: int) -> int:
    return (position + 3) // 4 * 4
