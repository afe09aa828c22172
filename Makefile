# Every target sets up what it needs; `make` without a target lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Run a command, and print its title and a line every five seconds while it runs.
define step
	@echo "$(1) ..."; \
	( seconds=0; while sleep 1 && kill -0 $$$$ 2>/dev/null; do \
	    seconds=$$((seconds + 1)); [ $$((seconds % 5)) != 0 ] || echo "  $$seconds s"; \
	  done ) & ticker=$$!; \
	( $(2) ); code=$$?; kill $$ticker; exit $$code
endef

# `venv --without-pip` and `pip --python` need neither ensurepip, which a minimal Debian lacks, nor root.
# The import compiles the modules that the first start needs.
# uv installs ten times faster than pip. If uv fails (an index that only pip's settings name), pip is used.
PIP := $(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check
define install
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip $(VENV)
	$(call step,Installing the Python packages of $(1),\
	  { $(PIP) --require-hashes -r requirements-uv.lock && \
	    $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $(1); } || \
	  $(PIP) --require-hashes -r $(1))
	$(call step,Installing explore-gateway,\
	  $(PIP) --no-deps --no-build-isolation -e . && $(BIN)/python -c "import gateway.app; import gateway.commands.serve_commands")
endef

# A step that needs Node.js is skipped with a message if Node.js is missing; if a step fails, the target fails.
npm = frontend/npm.sh $(1) || test $$? = 3

# Each worker imports everything, and compiled modules save 6 s of CPU per worker. tests/conftest.py orders the files.
pytest = PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: help
help: ## list the targets; the program itself is .venv/bin/explore (.venv/bin/explore --help)
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

.PHONY: run
run: $(VENV)/.run ## set up, build the pages, load the demo data, serve on port 8000 (make run PORT=8001)
	$(call step,Building the explore page,frontend/npm.sh build || echo "The explore page could not be built; serving without it." >&2)
	@echo "Starting explore-gateway ..."
	@$(BIN)/explore serve --demo $(if $(PORT),--port $(PORT))

.PHONY: test
test: $(VENV)/.dev ## set up, then run the whole test-suite (needs PostgreSQL's programs)
	@$(call npm,build)
	@$(call npm,test)
	@$(pytest) --durations=20

.PHONY: check
check: lint ## formatting, lint, types, import rules, and the tests that need no server: under two minutes
	@$(pytest) -m "not servers" --quiet

.PHONY: lint
lint: $(VENV)/.dev ## formatting, lint, types, and import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(call npm,lint)

.PHONY: bench
bench: $(VENV)/.dev ## measure pages beside graphql-yoga: CPU, latency, memory (make bench ARGS="--projects 1000")
	@$(BIN)/python -m bench.serving $(ARGS)

.PHONY: audit
audit: $(VENV)/.dev ## write the software bill of materials to build/sbom, check the dependencies for known vulnerabilities
	@$(BIN)/python deploy/audit.py

.PHONY: pages
pages: ## build the explore page and GraphiQL (needs Node.js 20.19 or newer, with npm)
	@frontend/npm.sh build

.PHONY: format
format: $(VENV)/.dev ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: compose-check
compose-check: ## build, start, use and remove the whole docker-compose.yml (needs Docker with Compose 2)
	@$(PYTHON) deploy/compose_check.py || test $$? = 3

.PHONY: schema
schema: $(VENV)/.dev ## write schema.graphql from the code
	@$(BIN)/explore schema > schema.graphql

.PHONY: lock
lock: $(VENV)/.dev ## resolve pyproject.toml into the hashed lock files
	@$(BIN)/uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --no-header --quiet -o requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --group dev -c requirements.lock --universal --python-version 3.11 --generate-hashes --no-header --quiet -o requirements-dev.lock
	@echo uv | $(BIN)/uv pip compile - -c requirements-dev.lock --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet -o requirements-uv.lock

.PHONY: lock-check
lock-check: $(VENV)/.dev ## check that the lock file installs on Python 3.11, 3.12 and 3.13, from wheels alone
	@for version in 3.11 3.12 3.13; do \
	  $(BIN)/uv pip install --dry-run --quiet --require-hashes --only-binary :all: --python $(BIN)/python \
	    --python-version $$version --target $(VENV)/lock-check -r requirements-dev.lock || exit 1; \
	  echo "Python $$version: ok"; \
	done

.PHONY: clean
clean: ## remove what can be made again: the virtual environment, npm's packages, the built pages, the caches; never var/
	@rm -rf frontend/node_modules frontend/dist frontend/graphiql/node_modules frontend/graphiql/dist
	@rm -rf build/bench bench/peers/node_modules
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info

.PHONY: clean-data
clean-data: ## remove var/: the data and the signing secret; asks first (without a terminal: CONFIRM=yes)
	@if [ ! -e var ]; then echo "there is no var/ here"; exit 0; fi; \
	answer="$(CONFIRM)"; \
	if [ -z "$$answer" ] && [ -t 0 ]; then \
	  printf 'Remove %s with all data and the signing secret, which ends every token? Type yes: ' "$$PWD/var"; read answer; \
	fi; \
	if [ "$$answer" != yes ]; then echo "nothing was removed; to remove var/: make clean-data CONFIRM=yes" >&2; exit 1; fi; \
	rm -rf var

$(VENV)/.run: requirements.lock pyproject.toml
	$(call install,requirements.lock)
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml
	$(call install,requirements-dev.lock)
	@touch $@ $(VENV)/.run
