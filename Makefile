# `make help` lists what there is. The virtual environment in .venv is made when it is first needed.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SHELL := bash
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help demo test test-long check docs clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/ready: requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.11, or say PYTHON=/path/to/python"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV); $(PYTHON) -m venv $(VENV); } \
	  || { rm -rf $(VENV); echo "error: $(PYTHON) cannot make a virtual environment; on Debian: apt install python3.11-venv"; exit 1; }
	@echo "installing the pinned requirements into $(VENV) (about 6 GB; some minutes)"
	@started=$$SECONDS; $(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt \
	  && $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . \
	  && echo "install took $$((SECONDS - started)) s" | tee $@

demo: $(VENV)/ready ## install, run the whole pipeline on drawn pictures, say where the report lies
	@started=$$SECONDS; dvc repro && cat $(VENV)/ready && echo "dvc repro took $$((SECONDS - started)) s" \
	  && echo "to go on by hand: source $(VENV)/bin/activate" \
	  && echo "the report: $(CURDIR)/reports/$$(sed -n 's/^profile: *\([a-z]*\).*/\1/p' params.yaml)/report/index.html"

# More than four processes would want more memory than they save time.
PYTEST = python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal
# Tests write and sync many small files: in memory, where it has room, they wait for no disk.
test test-long: export TMPDIR ?= $(shell [ "$$(df --output=avail -B1G /dev/shm 2>/dev/null | tail -1)" -ge 8 ] 2>/dev/null \
	&& echo /dev/shm || echo /tmp)
# Threads that wait sleep: on a busy machine those of torch, which spin, would take the processor from whom they wait for.
test test-long: export OMP_WAIT_POLICY ?= PASSIVE

test: $(VENV)/ready ## the tests that are quick, and a seeded draw of the long ones (at most 10 minutes)
	@$(PYTEST)

test-long: $(VENV)/ready ## the long tests, all of them (at most 60 minutes)
	@$(PYTEST) --all -m long

check: $(VENV)/ready ## format, lint, types
	@ruff format --check . && ruff check . && mypy

docs: $(VENV)/ready ## write docs/commands.md from the commands' help, and the code dependencies in dvc.yaml
	@python docs/make_commands.py && python docs/make_dependencies.py

clean: ## drop the environment and the tools' caches; data, models and reports stay
	rm -rf $(VENV) .pytest_cache .hypothesis .mypy_cache .ruff_cache
