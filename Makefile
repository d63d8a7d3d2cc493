# `make help` lists what there is: the text after ## is what it prints.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEVELOPMENT := $(VENV)/.development-installed
# pip as a module: the script's first line breaks when the checkout lies under a long path
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# A process a core, at most four: what the tests start has processes of its own. Who has nothing left takes half of what
# another has left, so a file's tests mostly stay together. ARGS=-n0 runs all in one process.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist worksteal
# Two makes at the same moment, as two `make serve`, must not both write the environment. The inner make looks at the
# time stamps once it holds the lock, so the second one finds nothing left to do.
LOCKED := +@tools/with-lock .venv.lock $(MAKE) --silent --no-print-directory

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

.PHONY: install
install: ## build the environment with the locked dependencies: .venv/bin/midca
	$(LOCKED) $(RUNTIME)

.PHONY: install-dev
install-dev: ## the same, with what the tests and the linters need
	$(LOCKED) $(DEVELOPMENT)

.PHONY: serve
serve: install ## run the server (HOST=… PORT=… to listen elsewhere)
	@$(BIN)/midca serve $(if $(HOST),--host '$(HOST)') $(if $(PORT),--port '$(PORT)')

# The tests start hundreds of processes of midca: each would compile the program anew where this is set.
test: export PYTHONDONTWRITEBYTECODE :=

.PHONY: test
test: install-dev ## run the tests (ARGS='-k name -x' goes to pytest)
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

.PHONY: lint
lint: install-dev ## ruff, mypy --strict, import contracts, bandit, the house's own rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive app wsgi.py
	$(BIN)/python tools/house_rules.py

.PHONY: bench
bench: install-dev ## measure the server, about five minutes (ARGS='--only ocsp --json FILE' goes to the benchmark)
	$(BIN)/python -m bench $(ARGS)

.PHONY: fuzz
fuzz: install-dev ## a million mutated requests against parser and profiles (ARGS="--count 1000 --seed 1")
	$(BIN)/python -m tests.fuzz $(ARGS)

# uv writes no index address into the files, whatever this machine's own configuration is.
COMPILE = $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

.PHONY: lock
lock: install-dev ## resolve the dependencies anew, with hashes (ARGS=--upgrade for newer versions)
	$(COMPILE) $(ARGS) pyproject.toml --output-file requirements/runtime.txt
	$(COMPILE) $(ARGS) requirements/build.in --constraint requirements/runtime.txt --output-file requirements/build.txt
	$(COMPILE) $(ARGS) pyproject.toml --extra kafka --extra postgres --extra broker --constraint requirements/runtime.txt \
		--output-file requirements/extras.txt
	$(COMPILE) $(ARGS) pyproject.toml --extra kafka --extra postgres --extra broker requirements/build.in requirements/dev.in \
		--constraint requirements/extras.txt --constraint requirements/build.txt --output-file requirements/dev.txt

.PHONY: build
build: install-dev ## build wheels and sdists of midca and midca-retrieve into dist/
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m build --no-isolation --outdir dist packages/retrieve

.PHONY: clean
clean: ## remove the environment, dist/ and the caches (var/, the CA's data, stays)
	rm -rf $(VENV) .venv.lock .venv.lock.held dist build .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME): requirements/runtime.txt requirements/build.txt pyproject.toml tools/make-venv
	@echo "Installing midca's locked dependencies into $(VENV)"
	tools/make-venv $(VENV)
	$(PIP) install --require-hashes --requirement requirements/runtime.txt --requirement requirements/build.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEVELOPMENT): $(RUNTIME) requirements/dev.txt
	@echo "Installing the tests' and linters' locked dependencies into $(VENV)"
	$(PIP) install --require-hashes --requirement requirements/dev.txt
	@touch $@
