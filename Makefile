# From a bare machine to a verdict: `make demo`. What is said while installing goes to standard error.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.SILENT:
.DELETE_ON_ERROR:

# The distribution's python3, not the one on PATH: BCC is there as a distribution package and nowhere else.
PYTHON := /usr/bin/python3
BIN := .venv/bin
STAMP := .venv/.installed
C_FILES = $(wildcard bpf/*.c bpf/*.h bpf/include/*.h bpf/include/*/*.h)

.PHONY: help
help: ## show this list
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: install
install: packages $(STAMP) ## install what is missing: distribution packages, and .venv with agent and aggregator

.PHONY: packages
packages:
	.ci/install-packages >&2

# The lock file is hashed and holds the build back end too, so that nothing unpinned is fetched.
$(STAMP): pyproject.toml requirements.lock | packages
	echo "installing the Python packages into .venv" >&2
	$(BIN)/python -c 'import bcc, pip' 2>/dev/null || .ci/quietly $(PYTHON) -m venv --clear --system-site-packages .venv
	.ci/quietly $(BIN)/python -m pip install --require-hashes --requirement requirements.lock
	.ci/quietly $(BIN)/python -m pip install --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: demo
demo: install ## watch three containers, attack one, name it (QUIET=1: verdicts as JSON only; ATTACK=NAME: choose it)
	$(BIN)/python -m demo $(if $(filter-out 0,$(QUIET)),--quiet) $(if $(ATTACK),--attack $(ATTACK))

# One run of pytest, so that one closing line counts all; the kernel tests share one worker (tests/conftest.py).
.PHONY: test
test: install ## run every test; those that need root and BPF are skipped elsewhere, with the reason
	$(BIN)/python -m pytest -n auto --dist loadgroup $(ARGS)

.PHONY: test-cluster
test-cluster: install ## run the tests against a real cluster, on a node of it (KUBECONFIG=FILE, NODE_NAME=NAME)
	$(BIN)/python -m pytest -m cluster $(ARGS)

.PHONY: lint
lint: install ## check style, types, and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(if $(C_FILES),$(BIN)/clang-format --dry-run -Werror $(C_FILES))

.PHONY: format
format: install ## put Python and C into shape
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .
	$(if $(C_FILES),$(BIN)/clang-format -i $(C_FILES))

.PHONY: lock
lock: packages ## pin anew what pyproject.toml asks for, for Python 3.11 and later
	new=$$(mktemp) && .ci/lock >"$$new" && cat "$$new" >requirements.lock && rm "$$new"

# Each prints its figures beside their bars, and ends with 1 if one is not met (bench/README.md).
BENCH = $(BIN)/python -m bench.$(@:bench-%=%) $(if $(JSON),--json $(JSON)) $(if $(filter-out 0,$(RECORD)),--record)
BENCH_STAMP := .venv/.bench-installed

$(BENCH_STAMP): bench/requirements.lock | $(STAMP)
	.ci/quietly $(BIN)/python -m pip install --require-hashes --requirement bench/requirements.lock
	touch $@

.PHONY: bench-capture
bench-capture: RECORD := 1
bench-capture: JSON := .venv/bench-capture.json
bench-capture: install $(BENCH_STAMP) ## measure what watching costs a system call, ours beside others' (4 minutes)
	rm -f $(JSON)
	code=0; $(BENCH) || code=$$?; \
	if [ -e $(JSON) ]; then $(BIN)/python -m bench.plot $(JSON) docs/performance/capture.svg; fi; exit $$code

.PHONY: bench-load
bench-load: install ## measure CPU and memory of the agent on a busy node (MINUTES=10)
	$(BENCH) $(if $(MINUTES),--minutes $(MINUTES))

.PHONY: bench-complete
bench-complete: install ## see whether anything is missing, under load (RUNS=20)
	$(BENCH) $(if $(RUNS),--runs $(RUNS))

.PHONY: bench-churn
bench-churn: install ## see whether anything leaks as containers come and go (MINUTES=5)
	$(BENCH) $(if $(MINUTES),--minutes $(MINUTES))

.PHONY: bench-flood
bench-flood: install ## see what a million file names do to the agent and to other containers (1 minute)
	$(BENCH)

.PHONY: fuzz-wire
fuzz-wire: install ## break a million batches: each is refused with a reason, or is a batch (RUNS=N, SEED=N)
	$(BIN)/python -m bench.fuzz_wire $(if $(RUNS),--runs $(RUNS)) $(if $(SEED),--seed $(SEED))

.PHONY: bench-identity
bench-identity: install ## see what it costs to know whose container is whose, and how soon it is known (MINUTES=2)
	$(BENCH) $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

.PHONY: bench-ingest
bench-ingest: install ## measure what the aggregator takes, on SQLite and PostgreSQL (SECONDS=60; 6 minutes)
	$(BENCH) $(if $(SECONDS),--seconds $(SECONDS))

.PHONY: bench-delivery
bench-delivery: install ## see whether deliveries are lost or doubled: aggregator away, kills, full disks (KILLS=100)
	$(BENCH) $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED))

.PHONY: bench-lock
bench-lock: packages ## pin anew what the plot of bench-capture needs
	new=$$(mktemp) && bench/lock >"$$new" && cat "$$new" >bench/requirements.lock && rm "$$new"

.PHONY: clean
clean: ## remove .venv and everything else that was made here
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
