"""The C core: everything else about the package is in pyproject.toml."""

import os
from glob import glob

from setuptools import Extension, setup

SANITIZE = [
    "-fsanitize=address,undefined,float-cast-overflow",
    "-fno-sanitize-recover=all",
    # Python builds extensions with -fwrapv, which would hide signed overflow
    "-fno-wrapv",
    "-fno-omit-frame-pointer",
    "-g",
]
sanitize = SANITIZE if os.environ.get("DAMON_TUNER_SANITIZE") else []
werror = ["-Werror"] if os.environ.get("CI") else []

core = Extension(
    "damon_tuner._core",
    sources=[
        "damon_tuner/_core.c",
        *sorted(glob("kernel_iface/sim/**/*.c", recursive=True)),
        *sorted(glob("policies/decide/*.c")),
    ],
    depends=[*glob("kernel_iface/sim/*.h"), *glob("policies/decide/*.h")],
    include_dirs=["kernel_iface/sim", "policies/decide"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")],
    py_limited_api=True,
    extra_compile_args=[
        "-std=c11",
        "-O3",
        # Results must not depend on the machine: no contraction into fused operations.
        "-ffp-contract=off",
        "-pthread",
        "-Wall",
        "-Wextra",
        "-Wshadow",
        "-Wconversion",
        *werror,
        *sanitize,
    ],
    extra_link_args=["-pthread", *sanitize],
)

setup(ext_modules=[core], options={"bdist_wheel": {"py_limited_api": "cp311"}})
