# Targets for people and for CI. `make` alone lists them.

PYTHON ?= python3
VENV ?= .venv
UPGRADE ?=

export VENV
.DEFAULT_GOAL := help
.PHONY: help demo test check faults bench lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  PYTHON=python3.12 chooses the interpreter that $(VENV) is made with; VENV=folder puts it elsewhere."

demo: $(VENV)/.installed ## install what running needs, then watch a model decay and be replaced, on real data
	$(VENV)/bin/tropism demo

test: $(VENV)/.installed-dev ## install everything, then run every check and every test, as CI does
	scripts/check
	scripts/test

check: $(VENV)/.installed-dev ## format, lint, types, floors and lock files only
	scripts/check

faults: $(VENV)/.installed-dev ## the full fault run: kills and full disks, many times over
	TROPISM_FAULTS=full scripts/test -m fault

bench: $(VENV)/.installed-dev ## run the benchmarks in bench/ (load.py needs a server and runs in the tests)
	set -e; for script in $(filter-out bench/load.py,$(wildcard bench/*.py)); do echo "== $$script"; $(VENV)/bin/python $$script; done

lock: $(VENV)/.installed-dev ## make the lock files anew from pyproject.toml; UPGRADE=1 takes the newest versions
	$(VENV)/bin/python scripts/lock.py $(if $(UPGRADE),--upgrade)

clean: ## remove the environment, caches and reports
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist report demo-report
	find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: newer than what they were made from, so a second run installs nothing.
$(VENV)/.installed: requirements.lock pyproject.toml scripts/install scripts/openmp.py
	scripts/install $(PYTHON) $(VENV) requirements.lock
	touch $@

$(VENV)/.installed-dev: requirements-dev.lock pyproject.toml scripts/install scripts/openmp.py
	scripts/install $(PYTHON) $(VENV) requirements-dev.lock
	touch $(VENV)/.installed $@
