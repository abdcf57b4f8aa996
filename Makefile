# Everyday commands; `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Versions are pinned where the environment is made, so that everybody trains the same policy; the
# package's own metadata leaves the ranges open. Naming torch by its version matters most: a plain
# "torch" may pull several GB of CUDA packages.
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
TORCH := $(shell grep '^torch==' constraints.txt)
SOURCES := $(shell find damon_tuner/binding kernel_iface policies -name '*.[ch]') setup.py pyproject.toml
TRAIN_READY := $(VENV)/.train
DEV_READY := $(VENV)/.dev

.DEFAULT_GOAL := help
.PHONY: help tune test lint types sanitize kernel-demo fidelity-recordings kernel-tests test-kernels figures knobs pretrained clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

tune: $(TRAIN_READY) ## train a policy, compare it with static ones, write out/report.html
	$(BIN)/damon-tuner tune --out out

test: $(DEV_READY) ## run every test, those in the real kernel included
	$(BIN)/python -m pytest

lint: $(DEV_READY) ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV_READY) ## check types
	$(BIN)/mypy

sanitize: $(DEV_READY) ## run the tests of the C code with address and undefined-behaviour checks
	sh tests/sanitize.sh $(abspath $(BIN))/python

kernel-demo: $(TRAIN_READY) ## policies on a real process in a real kernel: about 17 minutes
	$(BIN)/damon-tuner kernel-demo --out out/kernel-demo

fidelity-recordings: $(TRAIN_READY) ## record real DAMON in a real kernel again: about an hour
	$(BIN)/damon-tuner fidelity record

kernel-tests: $(DEV_READY) ## only the tests that boot the real kernel
	$(BIN)/python -m pytest tests/guest -m guest -v

test-kernels: $(DEV_READY) ## the tests in the real kernel, on every series that Debian has: a table
	$(BIN)/python -m damon_tuner.kernel_iface.guest.matrix

figures: $(TRAIN_READY) ## print every figure, one JSON object a line
	@for group in sim train ablations score knobs field fidelity attributes forecast calibrate faults kernel daemon; do $(BIN)/python -m damon_tuner figures $$group || exit 1; done

knobs: $(TRAIN_READY) ## what each group of knobs is worth in the simulator, and its picture: about half an hour
	mkdir -p out
	$(BIN)/damon-tuner figures knobs --seeds 24 > out/knobs.jsonl
	$(BIN)/python -m damon_tuner.benchmarks.knobs_picture out/knobs.jsonl docs/images/knobs.png

pretrained: $(TRAIN_READY) ## train the policy that is shipped again
	$(BIN)/damon-tuner train --out out/pretrained --seed 5
	cp out/pretrained/policy.safetensors policies/pretrained/reclaim.safetensors

clean: ## remove the environment, build products and results
	rm -rf $(VENV) build dist *.egg-info damon_tuner.egg-info damon_tuner/*.so out

$(VENV)/.made:
	sh tools/make-venv.sh $(PYTHON) $(VENV)
	touch $@

$(TRAIN_READY): $(VENV)/.made $(SOURCES) constraints.txt
	$(PIP) $(TORCH) --editable '.[train]'
	touch $@

$(DEV_READY): $(TRAIN_READY)
	$(PIP) --group dev
	touch $@
