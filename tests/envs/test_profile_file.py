"""Host profiles say what they mean and where it comes from, or are refused with what to do."""

import random
from pathlib import Path

import pytest

from damon_tuner import _core
from damon_tuner.envs.profile_file import (
    BUNDLED,
    DEFAULTS,
    bundled_profiles,
    find_profile,
    load_profile,
)
from damon_tuner.envs.workload_file import bundled_workload, load_workload
from damon_tuner.errors import ProfileFileError, TunerError, WorkloadFileError


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "host.toml"
    path.write_text(text)
    return path


def test_numbers_ranges_and_tables_are_read(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        'summary = "mine"\ndate = 2026-01-02\n[host]\nanything = 1\n[measured.x]\nvalue = 1\n'
        "[profile]\npool_share = 0\nswap_in_us = [25, 100]\n"
        '[profile.check_us]\nvalue = 0.2\nsource = "a paper"\ndate = 2022\nevidence = "mail"\n'
        '[profile.cpu_ratio]\nrange = [1, 2]\norigin = "measured"\nspread = [1, 3]\nruns = 5\n',
    )
    profile = load_profile(path)
    assert (profile.name, profile.summary, profile.date) == ("host", "mine", "2026-01-02")
    assert profile.ranges == {
        "pool_share": (0.0, 0.0),
        "swap_in_us": (25.0, 100.0),
        "check_us": (0.2, 0.2),
        "cpu_ratio": (1.0, 2.0),
    }
    check = profile.constants["check_us"]
    assert (check.source, check.date, check.evidence) == ("a paper", "2022", "mail")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[profile]\nswap_us = 1", r"key in \[profile\]: 'swap_us'; did you mean 'swap_in_us'"),
        ("[profle]\n", "unknown key: 'profle'; did you mean 'profile'"),
        ("[profile.check_us]\nvalu = 1", r"\[profile.check_us\]: 'valu'; did you mean 'value'"),
        ("[profile.check_us]\nvalue = 1\nrange = [1, 2]", "either value or range"),
        ('[profile.check_us]\nsource = "x"', "either value or range"),
        ("[profile]\ncheck_us = [2, 1]", "must rise"),
        ("[profile]\ncheck_us = -1", "within"),
        ("[profile]\ncheck_us = nan", "within"),
        ("[profile]\ncheck_us = inf", "within"),
        (f"[profile]\ncheck_us = 1{'0' * 400}", "within"),
        ("[profile]\ncheck_us = true", "must be a number"),
        ('[profile]\ncheck_us = "1"', "must be a number"),
        ("[profile]\ncheck_us = [1, 2, 3]", "must be a number"),
        ('[profile.check_us]\nvalue = 1\nevidence = "male"', "did you mean 'mail'"),
        ("[profile.check_us]\nvalue = 1\norigin = 1", "origin of check_us cannot be 1"),
        ("[profile.check_us]\nvalue = 1\nsource = 1", "source of check_us must be text"),
        ("[profile.check_us]\nvalue = 1\ndate = 1.5", "date of check_us"),
        ("summary = 1", "summary of the file must be text"),
        ("profile = 1", "must be a table"),
        ("host = 1", "must be a table"),
        ("[profile", "host.toml"),
        (f"a = {'[' * 5000}", "host.toml"),
        (f"[profile]\ncheck_us = 0x{'f' * 9000}", "host.toml"),
    ],
)
def test_mistakes_are_named_with_what_to_do(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ProfileFileError, match=message) as caught:
        load_profile(_write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_missing_and_binary_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileFileError, match="nowhere"):
        find_profile("nowhere.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProfileFileError, match="binary"):
        find_profile("binary.toml", tmp_path)
    with pytest.raises(ProfileFileError, match=r"did you mean 'nvme_swap'\?, or a path"):
        find_profile("nvme_swp")


@pytest.mark.parametrize("name", bundled_profiles())
def test_every_bundled_constant_has_a_source(name: str) -> None:
    profile = find_profile(name)
    assert profile.summary
    assert profile.date
    for key, constant in profile.constants.items():
        assert constant.source, key
        assert constant.evidence, key
        # what somebody published has a date or names its version
        assert constant.date or constant.evidence != "abstract", key


@pytest.mark.parametrize("name", bundled_profiles())
def test_bundled_profiles_run(name: str) -> None:
    batch = _core.Batch(4)
    spec = bundled_workload("kv").on(find_profile(name)).spec()
    for host in range(4):
        batch.reset(host, spec, host, 0.02)
        drawn = batch.parameters(host)
        for key, (low, high) in find_profile(name).ranges.items():
            assert low - 1e-9 * abs(low) <= drawn[key] <= high + 1e-9 * abs(high)
    batch.step(None, 2_000_000)


def test_the_defaults_are_the_simulators_own() -> None:
    own = {name: (low, high) for name, low, high, *_ in _core.PROFILE}
    assert find_profile(DEFAULTS).ranges == own


def test_no_mutation_of_a_profile_crashes(tmp_path: Path) -> None:
    rng = random.Random(1)
    texts = [(BUNDLED / f"{name}.toml").read_bytes() for name in bundled_profiles()]
    path = tmp_path / "mutant.toml"
    refused = 0
    for _ in range(600):
        mutant = bytearray(rng.choice(texts))
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(mutant))
            what = rng.randrange(4)
            if what == 0:
                mutant[at] = rng.randrange(256)
            elif what == 1:
                del mutant[at : at + rng.randint(1, 40)]
            elif what == 2:
                mutant[at:at] = bytes(rng.choice(b'[]={}."-+e019_#\n') for _ in range(4))
            else:
                mutant[at:at] = mutant[: rng.randint(1, 200)]
            mutant = mutant or bytearray(b" ")
        path.write_bytes(mutant)
        try:
            profile = load_profile(path)
        except ProfileFileError as error:
            refused += 1
            assert "\n" not in str(error)
        else:
            # what is accepted must be what the simulator accepts
            bundled_workload("idle").on(profile).spec()
    assert 100 < refused < 600


def test_a_workload_names_its_host(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text("[profile]\nswap_in_us = 33\ncheck_us = 0.2\n")
    load = tmp_path / "load.toml"
    load.write_text('family = "kv"\n[profile]\nbase = "base.toml"\ncheck_us = 0.4\n')
    assert load_workload(load).profile == {"swap_in_us": (33.0, 33.0), "check_us": (0.4, 0.4)}
    load.write_text('family = "kv"\nprofile = "zram"\n')
    assert load_workload(load).profile == find_profile("zram").ranges


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('profile = "zrm"', "did you mean 'zram'"),
        ('profile = "none.toml"', "none.toml"),
        ("profile = 3", "must be a table"),
        ("[profile]\nbase = 3", "must be a profile's name or path"),
        ('[profile]\nbase = "zram"\nswap_us = 1', "'swap_in_us'"),
    ],
)
def test_a_workloads_host_that_is_wrong_is_named(tmp_path: Path, line: str, message: str) -> None:
    load = tmp_path / "load.toml"
    load.write_text(f'family = "kv"\n{line}\n')
    with pytest.raises(TunerError, match=message) as caught:
        load_workload(load)
    assert isinstance(caught.value, WorkloadFileError | ProfileFileError)


def test_a_profile_gives_way_to_what_the_workload_says(tmp_path: Path) -> None:
    load = tmp_path / "load.toml"
    load.write_text('family = "kv"\n[profile]\npool_share = 0.3\n')
    workload = load_workload(load).on(find_profile("zram"))
    assert workload.profile["pool_share"] == (0.3, 0.3)
    assert workload.profile["swap_ratio"] == (0.0, 0.0)
