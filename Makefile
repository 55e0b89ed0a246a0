# Every target sets up what it needs; each may be repeated.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
unexport PYTHONDONTWRITEBYTECODE
export TIDEMILL_PEER_KFP := $(CURDIR)/.peers/kfp
export TIDEMILL_PEER_KSERVE := $(CURDIR)/.peers/kserve
export TIDEMILL_PEER_MLFLOW := $(CURDIR)/.peers/mlflow
BIN := .venv/bin
ARGS ?=
# a file of tests is one worker's: what its tests share is made once; the longest, the journeys, come first
WORKERS ?= -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help setup demo test fast lint bench soak wheel lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: ## everything that the other targets need
	@scripts/setup tests

demo: ## five beats of a model's life; ARGS=--once stops the site at the end
	@scripts/setup
	@$(BIN)/tidemill demo $(ARGS)

test: ## set-up, linters, contracts and all tests
	@scripts/setup tests
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest $(WORKERS) $(ARGS)

fast: ## unit and contract tests, their files in memory where it has room
	@scripts/setup tests
	@room=$$(df --output=avail -B1M /dev/shm 2>/dev/null | tail -1); \
	if [ "$${room:-0}" -gt 2000 ]; then TMPDIR=$$(mktemp -d -p /dev/shm); trap 'rm -rf "$$TMPDIR"' EXIT; export TMPDIR; fi; \
	$(BIN)/python -m pytest tests/contract tests/unit -q $(WORKERS) $(ARGS)

lint: ## ruff and mypy (the import contracts are a test)
	@$(BIN)/ruff format --check --quiet . || { echo 'run: .venv/bin/ruff format .'; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy src tests

bench: ## speed beside the peers, as ratios from one run
	@scripts/setup bench
	@$(BIN)/python -m benchmarks $(ARGS)

soak: ## the long fault tests
	@scripts/setup tests
	@$(BIN)/python -m pytest tests/faults -m "soak or not soak" --override-ini addopts="-ra --strict-markers --import-mode=importlib" $(ARGS)

wheel: ## both wheels, in dist/
	@scripts/setup
	@rm -rf dist && $(BIN)/python -m hatchling build -t wheel -d dist && cd src && ../$(BIN)/python -m hatchling build -t wheel -d ../dist

lock: ## new lock files from pyproject.toml
	@scripts/lock-requirements

clean: ## remove what was built, not what was locked
	@rm -rf .venv .peers dist .mypy_cache .ruff_cache .pytest_cache
