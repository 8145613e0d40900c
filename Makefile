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
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

.PHONY: clean
clean: ## remove .venv and everything else that was made here
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
