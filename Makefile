# Every target sets up what it needs on a fresh machine; no other step is required.
#
#   make demo           train, export, run on Lava, prove parity, write runs/demo/report.html
#   make test           the fast tests, Lava's included
#   make test-all       the slow tests too
#   make test-fuzz      5,000 damaged files of every kind: one clear error or a record, in little time and memory
#   make test-pythons   the tests of contract and lava_procs, and engine against Lava, on every CPython 3.10 to 3.13
#   make test-kills    train, export and sweeps killed at random moments, which takes half an hour
#   make cov            which lines of the package the fast tests run
#   make mutants        small changes of the code that some test must notice; MUTANTS=60 of each AREA=all
#   make matrix         measure docs/parity_matrix.md: every SLAYER block and option, beside the stock path
#   make docs           build the site into build/site, its tutorials run; DOCS_EXECUTE=false leaves them as they are
#   make test-docs      run every tutorial as a notebook
#   make check          formatting, lint and types
#   make cli-page       write docs/cli.md from the commands
#   make tables         write the tables of docs/ from bench/results

VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready
DOCS  := $(VENV)/.docs

# The first python3 that runs and that we support. A pyenv shim may exist and not run.
SUITABLE := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
PYTHON   ?= $(firstword $(foreach python,python3 python3.13 python3.12 python3.11 python3.10,\
              $(shell $(python) -c '$(SUITABLE)' 2>/dev/null && echo $(python))))

.PHONY: demo test test-all test-fuzz test-kills cov mutants test-gpu test-browser test-pythons test-docs docs matrix check cli-page tables format clean

demo: $(READY)
	$(BIN)/spikeproof demo

# A Lava run waits more than it computes, so one more test runs than there are cores, and four at most.
WORKERS  ?= $(shell $(PYTHON) -c 'import os; print(min(4, 1 + (os.cpu_count() or 1)))')
PARALLEL  = -n $(WORKERS) --dist worksteal

test: $(READY)
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow and not gpu and not browser and not docs"

test-all: $(READY)
	$(BIN)/python -m pytest $(PARALLEL) -m "not gpu and not browser and not docs"

test-fuzz: $(READY)
	$(BIN)/python -m pytest tests/export/test_fuzz.py -m slow

test-kills: $(READY)
	$(BIN)/python -m pytest tests/test_kill_loops.py -m slow --timeout 2400

cov: $(READY)
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow and not gpu and not browser and not docs" --cov --cov-report term:skip-covered

MUTANTS := 60
AREA    := all
mutants: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt 'cosmic-ray>=8.3'
	$(BIN)/python .ci/mutants.py --mutants $(MUTANTS) --area $(AREA)

test-gpu: $(READY)
	$(BIN)/python -m pytest -m gpu

test-browser: $(READY)
	$(BIN)/python -m pytest -m browser

test-pythons:
	$(if $(PYTHON),,$(error No Python 3.10 to 3.13 found. Install one, or name it: make PYTHON=...))
	$(PYTHON) .ci/test_pythons.py

docs: $(DOCS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "build/site/index.html"

test-docs: $(DOCS)
	$(BIN)/python -m pytest -m docs

matrix: $(READY)
	$(BIN)/python bench/matrix.py --output docs/parity_matrix.md

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@mkdir -p build/typing && ln -sfn ../.. build/typing/spikeproof # mypy finds the package by its name
	MYPYPATH=build/typing $(BIN)/mypy

cli-page: $(READY)
	$(BIN)/python .ci/cli_page.py

tables: $(READY)
	$(BIN)/python bench/docs.py

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Lava's own metadata allow Python 3.10 only, so above that it is installed past them (requirements-lava.txt).
$(READY): pyproject.toml constraints.txt requirements-lava.txt
	$(if $(PYTHON),,$(error No Python 3.10 to 3.13 found. Install one, or name it: make PYTHON=...))
	@echo "Setting up $(VENV) with $$($(PYTHON) --version), once; this takes a few minutes."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	if $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	  $(BIN)/python -m pip install --quiet --no-deps --ignore-requires-python -r requirements-lava.txt; fi
	touch $@

$(DOCS): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) .venvs build runs
