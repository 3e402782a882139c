# Everything needs only Python 3.11 or newer with its venv module, and a package index for the first install.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin

# The first that works: a version manager leaves names on the path that fail when called.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo $$python; break; }; done)

# Twice quiet: errors only, no advice about root, versions or mirrors.
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check --no-input
export PIP_ROOT_USER_ACTION := ignore
export PYTHONDONTWRITEBYTECODE :=

# Long forms are bounded by what they do, not by a clock.
WITHOUT_END := --timeout=0 --override-ini faulthandler_timeout=0

# Three on two cores, for some of the tests wait for something.
SIDE_BY_SIDE := --numprocesses 3 --dist worksteal --durations 10 --durations-min 5

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/installed-run ## Start everything here: PostgreSQL, NATS, every role and the sandbox (Ctrl-C stops it)
	@exec $(BIN)/vignettes run

.PHONY: demo
demo: $(VENV)/installed-run ## Take one order from placing to vignette in seconds, shown as a timeline
	@$(BIN)/vignettes demo

.PHONY: test
test: $(VENV)/installed-dev ## Run the test suite, with real servers
	@$(BIN)/pytest -m "not faults and not scale and not thorough" $(SIDE_BY_SIDE)

.PHONY: thorough
thorough: $(VENV)/installed-dev ## Run what the suite leaves out for its length: every page in every form, every alert
	@$(BIN)/pytest -m "thorough and not faults and not scale" $(SIDE_BY_SIDE)

.PHONY: faults
faults: $(VENV)/installed-dev ## Run the long fault tests: kill -9, cut connections, sixteen writers
	@$(BIN)/pytest -m faults --ignore tests/faults/test_soak.py $(WITHOUT_END)

.PHONY: soak
soak: $(VENV)/installed-dev ## Run an hour of steady work amid faults, and see what stays flat (MINUTES=10 for less)
	@MINUTES=$(MINUTES) FAULTS_SEED=$(SEED) $(BIN)/pytest tests/faults/test_soak.py -m faults $(WITHOUT_END)

.PHONY: cures
cures: $(VENV)/installed-dev ## Take each cure of a trap out of a copy, once, and see its tests go red
	@$(BIN)/python -m tools.cures

.PHONY: fuzz
fuzz: $(VENV)/installed-dev ## Try hostile input by chance (EXAMPLES=100000, SEED=... to repeat)
	@EXAMPLES=$(or $(EXAMPLES),100000) SEED=$(SEED) $(BIN)/pytest tests/hostile --capture=no $(WITHOUT_END)

.PHONY: atheris
atheris: $(VENV)/installed-dev ## Try the readers of files and mails by chance that coverage leads (SECONDS_EACH=60)
	@$(PIP) install --require-hashes -r requirements/fuzz.txt
	@mkdir -p .fuzz
	@for each in camt mt940 abo csv returns notices; do mkdir -p .fuzz/$$each; PYTHONPATH=tests \
		$(BIN)/python -m hostile.guided $$each .fuzz/$$each -max_total_time=$(or $(SECONDS_EACH),60) \
		-artifact_prefix=.fuzz/; done

.PHONY: year
year: $(VENV)/installed-dev ## Live through a year of orders, outages and kill -9 (ORDERS=2000 for fewer, SEED=... to repeat)
	@ORDERS=$(or $(ORDERS),100000) FAULTS_SEED=$(SEED) $(BIN)/pytest tests/faults/test_year.py -m faults $(WITHOUT_END)

.PHONY: scale
scale: $(VENV)/installed-dev ## Run the long scale tests
	@$(BIN)/pytest -m scale $(WITHOUT_END)

.PHONY: bench
bench: $(VENV)/installed-dev ## Measure throughput and latency here, with a plot in .bench
	@$(BIN)/python -m benchmarks

.PHONY: queries
queries: $(VENV)/installed-dev ## Measure queries and pages among a million orders (ORDERS=10000000 for ten)
	@$(BIN)/python -m benchmarks --only W8 $(if $(ORDERS),--orders $(ORDERS))

.PHONY: proofs
proofs: $(VENV)/installed-dev ## Verify histories against a signed head among a million events (EVENTS=10000000 for ten)
	@$(BIN)/python -m benchmarks --only W7 $(if $(EVENTS),--logged $(EVENTS))

.PHONY: growth
growth: $(VENV)/installed-dev ## Compare commands and views on a log of a million events with an empty one
	@$(BIN)/python -m benchmarks --only W10

.PHONY: burst
burst: $(VENV)/installed-dev ## Measure 100,000 orders that are all due at noon (ORDERS=20000 for fewer)
	@$(BIN)/python -m benchmarks --only W5 $(if $(ORDERS),--due $(ORDERS))

.PHONY: scaling
scaling: $(VENV)/installed-dev ## Measure commands, views and noon with 1, 2 and 4 processes
	@$(BIN)/python -m benchmarks.scaling

.PHONY: matching
matching: $(VENV)/installed-dev ## Match 100,000 noisy payments against a million orders (ORDERS=50000 for fewer)
	@$(BIN)/python -m benchmarks --only W9 $(if $(ORDERS),--waiting $(ORDERS))

.PHONY: check
check: $(VENV)/installed-dev ## Lint, format, types, layers, dead code
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports
	@$(BIN)/vulture

SUPPLY := $(VENV)/supply

.PHONY: audit
audit: $(SUPPLY)/installed ## Look up every locked package among known vulnerabilities, naming what could not be looked up
	@$(BIN)/python -m tools.vulnerabilities requirements/run.txt requirements/dev.txt

.PHONY: sbom
sbom: $(SUPPLY)/installed ## Write what the service is made of as CycloneDX, with hashes: dist/sbom.cdx.json
	@mkdir -p dist
	@$(SUPPLY)/bin/python -W ignore::UserWarning -m cyclonedx_py requirements --output-reproducible --validate \
		--pyproject pyproject.toml --output-file dist/sbom.cdx.json requirements/run.txt
	@echo "dist/sbom.cdx.json"

.PHONY: texts
texts: $(VENV)/installed-dev ## Bring the translators' catalogues up to date with the texts that are asked for
	@$(BIN)/python -m tools.texts

.PHONY: screens
screens: $(VENV)/installed-dev ## Take the pictures of all pages in docs/screens anew (needs Chromium)
	@PYTHONPATH=tests $(BIN)/python -m tools.screens

.PHONY: lock
lock: $(VENV)/installed-dev ## Choose the versions of all dependencies anew, with hashes
	@$(LOCK) pyproject.toml requirements/build.in --extra embedded --extra sandbox \
		--output-file requirements/run.txt
	@$(LOCK) pyproject.toml requirements/build.in --extra embedded --extra sandbox --extra dev \
		--constraint requirements/run.txt --output-file requirements/dev.txt
	@for name in procrastinate dbos supply fuzz; do \
		$(LOCK) requirements/$$name.in --output-file requirements/$$name.txt; done

# Without --upgrade it keeps what is locked and still fits; `make lock UPGRADE=--upgrade` takes the newest.
UPGRADE ?=
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" $(UPGRADE)

.PHONY: clean
clean: ## Remove the virtual environment and all caches; orders and keys in .data stay
	@rm -rf $(VENV) .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	@find src tests benchmarks tools -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# A stamp is as new as the locks it was made from, so the second time needs neither pip nor a network.
$(VENV)/installed-run: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing what requirements/run.txt locks ..."
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/installed-dev: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing what requirements/dev.txt locks ..."
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/installed-run

# Apart: what looks after the dependencies is none of them.
$(SUPPLY)/installed: requirements/supply.txt | $(VENV)/installed-dev
	@$(BIN)/python -m venv --clear $(SUPPLY)
	@$(SUPPLY)/bin/python -m pip --quiet --quiet --disable-pip-version-check --no-input \
		install --require-hashes -r requirements/supply.txt
	@touch $@

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with venv was found. Install one, or name it:" \
		"make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
