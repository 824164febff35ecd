# Two commands do all the set-up: `make serve` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
PORT ?= 4010

.DEFAULT_GOAL := help
.PHONY: help serve install test lint format typecheck check browser conformance proof bench performance clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: $(VENV)/.serve ## install and serve on http://localhost:4010/v2 (PORT=... for another port)
	$(BIN)/python -m mock_server serve --port $(PORT)

install: $(VENV)/.test ## make .venv with everything that serving and testing need

test: $(VENV)/.test ## run the test suite (under two minutes)
	$(BIN)/python -m pytest -n auto -m "not check and not proof"

lint: $(VENV)/.test ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.test ## ruff: mend format and what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: $(VENV)/.test ## mypy, strict
	$(BIN)/mypy

check: lint typecheck browser ## lint, types, all tests but the long ones and what they cover (under 10 minutes); what CI runs
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -n auto -m "not proof" -rs
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report

browser: # Chromium, which tests of the console drive: installed where root can, else those tests say that they are skipped
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	&& { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null; }; } \
	|| echo "NO CHROMIUM: the console will not be tested. apt-get install chromium"

conformance: $(VENV)/.test ## the vendor SDK's own tests against the stub profile, passed and failed
	$(BIN)/python -m tests.vendor.conformance --write
	$(BIN)/python docs/generate.py

proof: $(VENV)/.test ## what takes longer: fuzzing, kills, a soak of SOAK_SECONDS (600), the vendor SDK's own tests; with numbers
	$(BIN)/python -m pytest -m proof --timeout 900 -rP --show-capture=stdout

bench: $(VENV)/.test ## speed as ratios to a bare ASGI app in the same run (wants wrk; see benchmarks/README.md)
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/rules.py
	$(BIN)/python benchmarks/similarity.py

performance: $(VENV)/.test ## measure anew what docs/performance.md shows, tables and pictures (wants wrk; root or ptrace)
	$(PIP) install -e '.[bench]'
	$(BIN)/python benchmarks/run.py --json docs/performance/bench.json
	$(BIN)/python benchmarks/growth.py --json docs/performance/growth.json
	$(BIN)/python benchmarks/pictures.py
	$(BIN)/python docs/generate.py

clean: ## remove .venv, caches and build results
	rm -rf $(VENV) .cache .coverage .coverage.* .mypy_cache .ruff_cache .hypothesis build dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: pyproject.toml $(VENV)/bin/python
	$(PIP) install -e .
	@touch $@

$(VENV)/.test: pyproject.toml $(VENV)/bin/python
	$(PIP) install -e '.[test]'
	@touch $@ $(VENV)/.serve
