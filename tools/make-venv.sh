#!/bin/sh
# Make a virtual environment: make-venv.sh PYTHON FOLDER
#
# Debian splits what this needs into packages; root gets them installed, others are told which.
set -eu
python=$1
venv=$2

missing=""
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
header=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include") + "/Python.h")')
[ -f "$header" ] || missing="$missing python3-dev"
command -v cc >/dev/null || missing="$missing gcc libc6-dev"

if [ -n "$missing" ]; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		apt-get update -qq
		# shellcheck disable=SC2086 # a list of packages
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
	else
		echo "needed first: apt-get install$missing (as root)" >&2
		exit 1
	fi
fi
"$python" -m venv "$venv"
# dependency groups need pip 25.1
"$venv/bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
