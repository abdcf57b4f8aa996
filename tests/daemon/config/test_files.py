"""Which files a daemon that runs as root obeys."""

import os
from pathlib import Path

import pytest

from damon_tuner.daemon.config import Config, load_config
from damon_tuner.errors import ConfigError

_MIB = 1 << 20


def _refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    (problem,) = caught.value.problems
    return problem


@pytest.fixture
def main(tmp_path: Path) -> Path:
    path = tmp_path / "main.toml"
    path.write_text('budget = "3%"')
    return path


@pytest.fixture
def drop_ins(main: Path) -> Path:
    folder = Path(f"{main}.d")
    folder.mkdir()
    return folder


def test_no_file_says_how_to_write_one(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    assert _refused(path) == (
        f"{path}: is not there; write one: damon-tunerd --print config > {path}"
    )


def test_symlinks_to_files_are_fine(main: Path, tmp_path: Path, drop_ins: Path) -> None:
    (tmp_path / "link.toml").symlink_to(main)
    assert load_config(tmp_path / "link.toml").budget == 0.03
    (tmp_path / "elsewhere").write_text('budget = "4%"')
    (drop_ins / "link.toml").symlink_to(tmp_path / "elsewhere")
    assert load_config(main).budget == 0.04


@pytest.mark.parametrize("name", ["x.conf", "x.toml~", ".x.toml", ".#x.toml"])
def test_what_is_no_drop_in_is_not_read(main: Path, drop_ins: Path, name: str) -> None:
    (drop_ins / name).write_text("nonsense")
    assert load_config(main) == Config(budget=0.03)


@pytest.mark.parametrize("is_drop_in", [False, True])
@pytest.mark.parametrize("bits", [0o020, 0o002])
def test_what_others_may_write_is_refused(
    main: Path, drop_ins: Path, is_drop_in: bool, bits: int
) -> None:
    path = drop_ins / "x.toml" if is_drop_in else main
    path.touch()
    path.chmod(0o644 | bits)
    assert _refused(main) == f"{path}: others than its owner may write it; chmod go-w {path}"


def test_a_folder_that_others_may_write_is_refused(main: Path, drop_ins: Path) -> None:
    drop_ins.chmod(0o777)
    assert _refused(main).endswith(f"chmod go-w {drop_ins}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_another_user_is_refused(main: Path) -> None:
    os.chown(main, 12345, -1)
    assert _refused(main) == f"{main}: belongs to user 12345, who is not root; chown root {main}"


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, main: Path, drop_ins: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml", 0o600)
    assert "is not a file" in _refused(tmp_path / "pipe.toml")
    os.mkfifo(drop_ins / "pipe.toml", 0o600)
    assert "pipe.toml: is not a file" in _refused(main)


@pytest.mark.parametrize("name", ["/dev/zero", "/", "/proc/self/mem"])
def test_what_is_no_regular_file_of_text_is_refused(name: str) -> None:
    assert _refused(Path(name)).startswith(f"{name}: ")


def test_a_drop_in_that_points_nowhere_is_refused(main: Path, drop_ins: Path) -> None:
    (drop_ins / "x.toml").symlink_to("nowhere")
    assert "x.toml: " in _refused(main)


def test_drop_ins_that_are_no_folder_are_refused(main: Path) -> None:
    Path(f"{main}.d").write_text("")
    assert "main.toml.d: cannot be read: Not a directory" in _refused(main)


def test_drop_ins_without_a_main_file_are_not_enough(main: Path, drop_ins: Path) -> None:
    main.rename(drop_ins / "main.toml")
    assert "is not there" in _refused(main)


def test_too_much_is_refused_in_one_file_or_in_many(main: Path, drop_ins: Path) -> None:
    half = "#" * (_MIB // 2 - 100)
    (drop_ins / "1.toml").write_text(half)
    (drop_ins / "2.toml").write_text(half)
    assert load_config(main) == Config(budget=0.03)
    (drop_ins / "3.toml").write_text("#" * 1000)
    assert "3.toml: is too long" in _refused(main)
    main.write_text("#" * (_MIB + 1))
    assert "main.toml: is too long" in _first(main)


def _first(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return caught.value.problems[0]


def test_too_many_drop_ins_are_refused(main: Path, drop_ins: Path) -> None:
    for i in range(101):
        (drop_ins / f"{i}.toml").touch()
    assert "holds more than 100 files" in _refused(main)


def test_text_that_is_not_utf8_is_refused(main: Path) -> None:
    main.write_bytes('budget = "2%" # für'.encode("latin-1"))
    assert _refused(main) == f"{main}: is not UTF-8 at byte 17; save it as UTF-8"


@pytest.mark.parametrize("name", ["a\nb.toml", "a\udc80b.toml", "a\u2028b.toml", "a\0b.toml"])
def test_a_name_that_cannot_be_printed_is_escaped(tmp_path: Path, name: str) -> None:
    assert _refused(tmp_path / name).isprintable()
