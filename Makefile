PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo test matrix fuzz soak notebooks check floors newest environments packages release rehearsal bench clean

help:  ## Say what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /	/'

demo: $(VENV)/demo  ## A streamed conversation with sources, begun in LangChain, continued in LlamaIndex; on your app, if DIFY_API_KEY and DIFY_BASE_URL are set
	@$(BIN)/remote-chatbots demo

test: $(VENV)/test  ## The whole test suite
	$(BIN)/python -m pytest -x -q

matrix: $(VENV)/test  ## What `make test` runs a covering sample of: each recording, fault and cut in each way
	$(BIN)/python -m pytest -x -q -m matrix

fuzz: $(VENV)/test  ## Noise at both framers and all interpreters, for some minutes; `make test` has a little of it
	FUZZ=long $(BIN)/python -m pytest -x -q tests/unit/test_fuzz.py

soak: $(VENV)/test  ## Many users, faults and kills at once, for a minute and a half; SOAK=long: for minutes
	$(BIN)/python -m pytest -x -q -m soak $$(grep -rl --include='test_*.py' 'mark[.]soak' tests)

notebooks: $(VENV)/notebook  ## Run the notebooks on the emulator, compare what they print; UPDATE=1 stores it instead
	UPDATE_NOTEBOOKS=$(UPDATE) $(BIN)/python -m pytest -q -n 3 -m notebooks tests/notebooks

check: $(VENV)/check  ## Lint, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python .ci/guide > tests/typing/guide.py
	$(BIN)/mypy tests/typing
	$(BIN)/pyright --pythonpath $(BIN)/python tests/typing
	$(BIN)/lint-imports --no-cache

floors: .venv-floors/test  ## The test suite on the oldest versions that pyproject.toml allows
	.venv-floors/bin/python -m pytest -x -q

newest: .venv-newest/test  ## The test suite on the newest Python of this machine, if it is newer than PYTHON
	@if [ -e .venv-newest/bin/python ]; then set -x; .venv-newest/bin/python -m pytest -x -q; fi

environments: $(VENV)/notebook .venv-floors/test .venv-newest/test .venv-release/release  ## What the targets above need; may be made by several jobs

packages: .venv-release/release  ## Build wheel and sdist, check what is in them, use each extra alone in a clean environment
	rm -rf dist
	.venv-release/bin/python .ci/packages dist

release: .venv-release/release  ## Tag and build the version in remote_chatbots/__init__.py; upload it, if TWINE_PASSWORD holds a token
	.venv-release/bin/python .ci/release

rehearsal: .venv-release/release  ## Release what is committed in a copy of the repository, to an index on this machine
	.venv-release/bin/python .ci/rehearse

bench: .venv-bench/bench  ## What a streamed token costs, and what else the README says of speed; takes a quarter of an hour on a quiet machine, and a third of that with ARGS=--quick
	.venv-bench/bin/python -m tests.benchmarks $(ARGS)

clean:  ## Remove what the other targets made
	rm -rf .venv .venv-floors .venv-newest .venv-bench .venv-release dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache tests/typing/guide.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo: $(VENV)/bin/python pyproject.toml
	@echo "Installing into $(VENV); this takes a minute or two, once."
	$(PIP_INSTALL) -e '.[langchain,llama-index]'
	@touch $@

$(VENV)/test: $(VENV)/bin/python pyproject.toml
	@echo "Installing into $(VENV); this takes some minutes, once."
	$(PIP_INSTALL) -e '.[test]'
	@touch $@

$(VENV)/notebook: $(VENV)/bin/python pyproject.toml
	$(PIP_INSTALL) -e '.[test,notebook-test]'
	@touch $@

$(VENV)/check: $(VENV)/bin/python pyproject.toml
	$(PIP_INSTALL) -e '.[check]'
	@touch $@

.venv-floors/test: pyproject.toml .ci/floors
	$(PYTHON) -m venv .venv-floors
	.venv-floors/bin/python .ci/floors > .venv-floors/constraints.txt
	.venv-floors/bin/python -m pip install --quiet --disable-pip-version-check -e '.[test]' -c .venv-floors/constraints.txt
	@touch $@

.venv-newest/test: pyproject.toml .ci/newest_python
	@mkdir -p .venv-newest
	newest=$$($(PYTHON) .ci/newest_python); [ -z "$$newest" ] || { "$$newest" -m venv .venv-newest && \
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check -e '.[test]'; }
	@touch $@

.venv-bench/bench: pyproject.toml tests/benchmarks/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -e '.[langchain,llama-index]' -r tests/benchmarks/requirements.txt
	@touch $@

.venv-release/release: pyproject.toml
	$(PYTHON) -m venv .venv-release
	.venv-release/bin/python -m pip install --quiet --disable-pip-version-check 'build>=1.2,<2' 'twine>=6.1,<8'
	@touch $@
