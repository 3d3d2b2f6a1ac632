# Each target makes the environment it needs from a bare Python >= 3.11 and a lock in requirements/ (scripts/in-env.sh).

BASE := scripts/in-env.sh base
DEMO := scripts/in-env.sh demo
DEV := scripts/in-env.sh dev
BENCH := scripts/in-env.sh bench
TESTS ?= tests
# Workers of pytest; 0 runs in one process.
JOBS ?= 2
# Of everything that is drawn at random.
SEED ?= 1
# Of the campaign: scenarios killed once and twice.
KILLS ?= 1000
DOUBLE ?= 100
# Of `make fuzz`: damaged files.
COUNT ?= 10000
# Of the benchmarks: `--quick`, `--write`.
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo shell test check bench bench-calls shows crash data-shows fuzz fmt docs size lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## The claims example: decided, crashed, resumed, explained; offline, without a key
	@$(DEMO) aie demo
	@echo 'these commands are found in the shell that `make shell` opens' >&2

shell: ## A shell in which `aie` is found
	@$(DEMO) $${SHELL:-sh}

test: ## Run every test, on SQLite and on a real Postgres 18
	@$(DEV) pytest -n $(JOBS) --dist worksteal $(TESTS)

check: ## Format, lint, types, import contract, locks, licences, tracked files, size
	@scripts/check.sh

bench: ## Runs a second and their CPU beside LangGraph and DBOS (ARGS=--quick: five minutes)
	@$(BENCH) python -m benchmarks $(ARGS)

bench-calls: ## Model calls and their CPU beside openai, pydantic-ai and LiteLLM; the ledger alone (ARGS=--quick)
	@scripts/in-env.sh litellm true
	@$(BENCH) python -m benchmarks.calls $(ARGS)

shows: ## Mutated files, tampered records, equal ids, pinned runs: each at full size
	@scripts/shows.sh $(SEED)

crash: ## Processes killed at every declared point, workers killed and stopped, many commands at once
	@$(DEV) python -m tests.shows.crash --kills $(KILLS) --double $(DOUBLE) --jobs $(JOBS) --seed $(SEED)
	@$(DEV) python -m tests.shows.workers
	@$(DEV) python -m tests.shows.clis --count 20

data-shows: ## The same for the folder of data named by AIE_DATA; writes report.json
	@$(DEV) python -m scripts.data_shows --seed $(SEED)

fuzz: ## Files of every format, damaged at random: each is read or refused in its class (COUNT=10000)
	@$(DEV) python -m tests.shows.fuzz --seed $(SEED) --count $(COUNT)

fmt: ## Format the code and mend what the linter can mend
	@$(DEV) ruff check --fix-only --quiet .
	@$(DEV) ruff format .

docs: ## Write the reference from the code, and the transcripts from what commands print
	@$(DEV) python -m scripts.reference --write
	@$(DEV) python -m scripts.transcripts --write README.md docs/documents.md docs/builder.md docs/reviewer.md docs/operator.md docs/auditor.md \
		src/aie/templates/letters/README.md

size: ## Measure the base install and fail above 350 MB
	@$(BASE) python scripts/size.py 350

lock: ## Resolve pyproject.toml into requirements/*.txt (needs uv; UPGRADE=--upgrade for newer versions)
	@scripts/lock.sh $(UPGRADE)

clean: ## Remove the environments and caches
	rm -rf .cache .pytest_cache .ruff_cache .mypy_cache build dist
