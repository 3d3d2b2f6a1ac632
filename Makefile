# Each target makes the environment it needs from a bare Python >= 3.11 and a lock in requirements/ (scripts/in-env.sh).

BASE := scripts/in-env.sh base
DEMO := scripts/in-env.sh demo
DEV := scripts/in-env.sh dev
TESTS ?= tests
# Workers of pytest; 0 runs in one process.
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help test check fmt size lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## Run every test, on SQLite and on a real Postgres 18
	@$(DEV) pytest -n $(JOBS) --dist worksteal $(TESTS)

check: ## Format, lint, types, import contract, locks, licences, tracked files, size
	@scripts/check.sh

fmt: ## Format the code and mend what the linter can mend
	@$(DEV) ruff check --fix-only --quiet .
	@$(DEV) ruff format .

size: ## Measure the base install and fail above 350 MB
	@$(BASE) python scripts/size.py 350

lock: ## Resolve pyproject.toml into requirements/*.txt (needs uv; UPGRADE=--upgrade for newer versions)
	@scripts/lock.sh $(UPGRADE)

clean: ## Remove the environments and caches
	rm -rf .cache .pytest_cache .ruff_cache .mypy_cache build dist
