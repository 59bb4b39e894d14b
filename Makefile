# What can be done here; `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
COVERAGE_FLOOR := 95

.PHONY: help
help: ## list what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.python $(VENV)/.native $(VENV)/.go $(VENV)/.tests ## make the virtual environment and fetch what the tests need (once)
	@:

# The stamps lie in the virtual environment: without it they are gone too.
$(VENV)/.python: requirements/dev.txt requirements/pip.txt pyproject.toml
	@tools/setup.sh python $(VENV)
	@touch $@

$(VENV)/.tests: requirements/core.txt tools/kafka/pom.xml | $(VENV)/.python
	@tools/setup.sh tests $(VENV)
	@touch $@

$(VENV)/.native: native/Cargo.toml native/Cargo.lock $(wildcard native/src/*.rs native/src/python/*.rs) | $(VENV)/.python
	@tools/setup.sh native $(VENV)
	@touch $@

$(VENV)/.go: requirements/go.txt tools/golang.py $(wildcard examples/go-reader/*) | $(VENV)/.python
	@tools/setup.sh go $(VENV)
	@touch $@

$(VENV)/.docs: requirements/docs.txt | $(VENV)/.python
	@$(BIN)/pip install -q --no-compile --require-hashes -r requirements/docs.txt
	@touch $@

$(VENV)/.bench: requirements/bench.txt | $(VENV)/.python
	@$(BIN)/pip install -q --no-compile --require-hashes -r requirements/bench.txt
	@touch $@

.PHONY: lint
lint: $(VENV)/.python ## style, types and layers
	@$(BIN)/ruff check -q
	@$(BIN)/ruff format -q --check
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo > .cache/layers.txt || { cat .cache/layers.txt; exit 1; }

NATIVE := CARGO_TARGET_DIR=$(CURDIR)/.cache/native-target PYO3_PYTHON=$(CURDIR)/$(BIN)/python cargo

.PHONY: native-check
native-check: ## the native core's own tests, style and lints, where cargo is there
	@if command -v cargo >/dev/null; then \
		mkdir -p .cache && cd native && cargo fmt --check && \
		$(NATIVE) test -q --locked --no-default-features --lib > ../.cache/native-check.txt 2>&1 && \
		$(NATIVE) clippy -q --locked --all-targets -- -D warnings || \
		{ cat ../.cache/native-check.txt; exit 1; }; \
	else echo "native-check: no cargo, so the native core is neither built nor tested"; fi

.PHONY: check
check: lint ## lint and the unit tests: under a minute
	@$(PYTEST) -q -n 2 --dist loadfile tests/unit

.PHONY: test
test: setup lint native-check ## everything that must hold: about 10 minutes
	@$(PYTEST) -q -n 2 --dist loadfile --durations=15 -m "not chaos and not e2e" $(PYTEST_ARGS) | tee .cache/tests.txt

.PHONY: coverage
coverage: setup ## the same tests with branch coverage, half as long again; fails below the floor
	@rm -f .coverage .coverage.*
	@$(BIN)/coverage run -m pytest -q -n 2 --dist loadfile -m "not chaos and not e2e" $(PYTEST_ARGS) | tee .cache/coverage.txt
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage report --include='aegis_stream/*' --fail-under=$(COVERAGE_FLOOR)
	@$(BIN)/coverage report --include='topologies/*' | tail -n 1 | sed 's/^TOTAL/topologies/'

.PHONY: e2e
e2e: setup ## the operators' page in a headless Chromium over real Kafka, compose's commands, and the alerts by promtool
	@tools/setup.sh browser $(VENV)
	@$(PYTEST) -q -m e2e tests/e2e | tee .cache/e2e.txt

.PHONY: demo
demo: $(VENV)/.python $(VENV)/.native ## the whole flow in a few seconds, without a Kafka
	@$(BIN)/aegis demo

.PHONY: kafka
kafka: setup ## a real Kafka at 127.0.0.1:9092 until Ctrl-C
	@$(BIN)/python -m tools.kafka

.PHONY: chaos
chaos: setup ## processes killed and brokers restarted, the long form
	@AEGIS_CHAOS=long $(PYTEST) -v -m chaos --timeout 1800 tests

.PHONY: chaos-short
chaos-short: setup ## the same, shortened
	@$(PYTEST) -q -m chaos tests | tee .cache/chaos.txt

.PHONY: kryoptic
kryoptic: setup ## a second PKCS#11 token (needs cargo), and the HSM tests on both
	@tools/kryoptic.sh $(BIN)/python
	@$(PYTEST) -q tests/integration/test_hsm*.py

.PHONY: docs
docs: $(VENV)/.docs ## the documentation as a site in site/, every link and every name of code checked
	@$(BIN)/python -m tools.cli_reference
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict > .cache/docs.txt 2>&1 || { grep -v INFO .cache/docs.txt; exit 1; }
	@echo "docs: site/index.html"

.PHONY: fuzz
fuzz: $(VENV)/.python ## the property tests with many more examples
	@$(PYTEST) -q tests/property --hypothesis-profile=fuzz

.PHONY: fuzz-native
fuzz-native: ## libFuzzer with AddressSanitizer on the native core (needs cargo and a C++ compiler), AEGIS_FUZZ_SECONDS each
	@tools/fuzz_native.sh

.PHONY: miri-native
miri-native: ## undefined behaviour in the native core's scanner, policies, walk and threads (needs a nightly with miri)
	@cd native && CARGO_TARGET_DIR=$(CURDIR)/.cache/native-miri cargo +nightly miri test -q --locked \
		--no-default-features --lib -- tests::json tests::policy tests::walk tests::pieces --skip depth --skip quoted

.PHONY: differential
differential: $(VENV)/.native ## both engines on AEGIS_DIFFERENTIAL (100,000) generated and mutated inputs
	@$(BIN)/python -m tests.support.engine_duel

.PHONY: bench
bench: $(VENV)/.bench $(VENV)/.native $(VENV)/.tests ## measured against peers and limits, in one run
	@$(BIN)/python -m benchmarks

.PHONY: bench-rotation
bench-rotation: $(VENV)/.native $(VENV)/.tests ## how soon a rotation is obeyed, under load: the distribution
	@$(BIN)/python -m benchmarks rotation

.PHONY: bench-scale
bench-scale: $(VENV)/.native $(VENV)/.tests ## 1, 2 and 4 enrichers over 8 partitions: their pace, and what a million events cost
	@$(BIN)/python -m benchmarks scale

.PHONY: lock
lock: $(VENV)/.python ## bring the lock files up to date with pyproject.toml (LOCK_ARGS=--upgrade for newer versions)
	@command -v uv >/dev/null || $(BIN)/pip install -q uv
	@PATH="$$PATH:$(BIN)" tools/lock.sh $(LOCK_ARGS)

.PHONY: clean
clean: ## remove what was built, the virtual environment and the caches
	@rm -rf $(VENV) .cache .coverage .coverage.* htmlcov dist build site .mypy_cache .ruff_cache .pytest_cache
	@rm -rf .hypothesis .import_linter_cache artifacts
