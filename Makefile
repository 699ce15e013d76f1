# Needs Python 3.11, git and make; `make help` lists the targets. Each target does the set-up that it lacks.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

python := .venv/bin/python
ready := .venv/.ready
workers ?= 2
start ?= 2020-04-18
days ?= 2

# Two busy processes on two cores: threads that spin while they wait cost LightGBM four times the CPU. One thread each
# keeps sums in one order, so that a replay repeats bit for bit.
export OMP_WAIT_POLICY := PASSIVE
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

.PHONY: help setup demo test test-servers check bench faults fuzz lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(ready) ## .venv from the lock, and the project in it

# Done again only when the lock, the project file or the set-up itself changes.
$(ready): requirements.lock pyproject.toml .ci/setup .ci/system
	@PYTHON="$(PYTHON)" sh .ci/setup
	@touch $@

demo: $(ready) ## two days of the RTS-GMLC grid replayed: build/demo/report.html
	@mkdir -p build/demo
	.venv/bin/xiaona replay --grid rts-gmlc --start $(start) --days $(days) \
		--report build/demo/report.html --export build/demo/out

check: $(ready) ## format, lint, types and import contracts
	$(python) -m ruff format --check .
	$(python) -m ruff check .
	$(python) -m mypy
	.venv/bin/lint-imports

test: check ## check, then every test that needs no server
	$(python) -m pytest -n $(workers) --dist loadfile -m "not kafka and not postgres and not system" $(args)

test-servers: $(ready) ## the tests with real Kafka and PostgreSQL, which it installs
	@sh .ci/servers
	$(python) -m pytest -m "kafka or postgres or system" $(args)

bench: $(ready) ## every benchmark, build/bench/NAME.json each
	@mkdir -p build/bench
	$(python) -m tests.bench $(args)

bench-%: $(ready) ## one benchmark by its name
	@mkdir -p build/bench
	$(python) -m tests.bench.$* $(args)

faults: $(ready) ## every fault injected for real (Kafka, PostgreSQL, root): build/bench/faults.json
	@sh .ci/servers
	$(python) -m tests.faults $(args)

fuzz: $(ready) ## the decoders fuzzed for a minute; args="--seconds N", and --engine atheris where that is installed
	$(python) -m tests.faults.fuzz_decoders $(args)

lock: $(ready) ## requirements.lock anew from pyproject.toml
	@$(python) -m venv build/lock
	@build/lock/bin/python -m pip install --quiet --disable-pip-version-check pip-tools==7.6.2
	CUSTOM_COMPILE_COMMAND="make lock" build/lock/bin/pip-compile --quiet --extra dev --generate-hashes --allow-unsafe \
		--strip-extras --no-emit-find-links --no-emit-index-url --no-emit-trusted-host --no-emit-options \
		--annotation-style line --output-file requirements.lock pyproject.toml

clean: ## remove .venv and everything that was built
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
