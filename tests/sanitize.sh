#!/bin/sh
# Build the C core with sanitizers and checks of what must always hold, in a copy of the tree, and
# run the tests that drive it:
# sanitize.sh PYTHON
set -eu
python=$1
top=$(cd "$(dirname "$0")/.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

cd "$top"
tar -cf - --exclude=.venv --exclude=.git --exclude=out --exclude=build --exclude='*.so' . |
	tar -xf - -C "$copy"
cd "$copy"
DAMON_TUNER_SANITIZE=1 DAMON_TUNER_DEBUG=1 "$python" setup.py --quiet build_ext --inplace
# Python itself frees little at exit, so leaks are not looked for here.
LD_PRELOAD=$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 \
	PYTHONPATH=$copy "$python" -m pytest -q -p no:cacheprovider -m "not slow" \
		tests/sim tests/policies tests/calibrate/test_bench.py
