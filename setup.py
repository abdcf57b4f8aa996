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
# Where the C code and its headers are.
CODE = ("damon_tuner/binding", "kernel_iface/calibrate", "kernel_iface/sim", "policies/decide")

sanitize = SANITIZE if os.environ.get("DAMON_TUNER_SANITIZE") else []
# Checks what must always hold, and ends the program where it does not.
debug = [("DT_DEBUG", "1")] if os.environ.get("DAMON_TUNER_DEBUG") else []
werror = ["-Werror"] if os.environ.get("CI") else []

core = Extension(
    "damon_tuner._core",
    sources=[
        source for folder in CODE for source in sorted(glob(f"{folder}/**/*.c", recursive=True))
    ],
    depends=[header for folder in CODE for header in glob(f"{folder}/*.h")],
    include_dirs=list(CODE),
    define_macros=[("Py_LIMITED_API", "0x030B0000"), *debug],
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
