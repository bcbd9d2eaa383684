# What people run here. `make help` lists it; `make up` is where to begin.
# PYTHON=python3.12 chooses the Python that .venv is built with; the first of 3.11, 3.12, 3.13 that is found otherwise.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help up test lint bench faults screenshots pins clean

# A shell of Django's must not load the settings before the tests have started their servers.
unexport DJANGO_SETTINGS_MODULE

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.built
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3 python; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$python && break; done)

help: ## Show this list.
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

up: $(STAMP) ## Run all of it on this machine, with demo data and simulated devices, until Ctrl-C.
	@exec $(BIN)/python manage.py up

test: $(STAMP) ## Run the tests, but not the long ones.
	@$(BIN)/python -m pytest -m "not long" --numprocesses 3 --dist loadfile

lint: $(STAMP) ## Check style, types, layers and migrations.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check --fail-level WARNING

bench: $(STAMP) ## Measure against a bare echo, a plain server and scikit-learn. Prints, never fails.
	@$(BIN)/python -m tests.bench

faults: $(STAMP) ## Kill, cut and corrupt real parts, also where it takes long.
	@$(BIN)/python -m pytest -m fault --timeout 900

screenshots: $(STAMP) ## Take the documentation's pictures from the running product. Needs Chromium.
	@$(BIN)/python -m tests.e2e.screenshots

pins: ## Compile the pins anew from pyproject.toml. Needs uv.
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--upgrade -o requirements.txt
	uv pip compile pyproject.toml --group dev -c requirements.txt --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header -o requirements-dev.txt

clean: ## Remove .venv and what the tools left. The state folder, with its database, stays: remove var/ by hand.
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A .venv that was built half-way has no stamp and is built again.
$(STAMP): requirements-dev.txt
	@if [ -z "$(PYTHON)" ] || ! $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
		echo "Foretell needs Python 3.11, 3.12 or 3.13$(if $(PYTHON), and $(PYTHON) is none of them,; none was found). Install one or say where it is: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; fi
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) can't make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Building $(VENV) from the pins, once: about a minute."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $(STAMP)
