# Every target sets up what it needs on a fresh machine; no other step is required.
#   make demo          train, export, run on Lava, prove parity, write runs/demo/report.html
#   make test          the fast tests, Lava's included        make test-all      the slow ones too
#   make test-pythons  contract and lava_procs tests on every CPython 3.10 to 3.13 of this machine
#   make check         ruff and mypy

PYTHON ?= $(shell for v in 3.13 3.12 3.11; do :; done; command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test test-all test-pythons test-gpu test-browser check format clean

demo: $(READY)
	$(BIN)/spikeproof demo

test: $(READY)
	$(BIN)/python -m pytest -m "not slow and not gpu and not browser"

test-all: $(READY)
	$(BIN)/python -m pytest -m "not gpu and not browser"

test-gpu: $(READY)
	$(BIN)/python -m pytest -m gpu

test-browser: $(READY)
	$(BIN)/python -m pytest -m browser

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	mkdir -p build/typing && ln -sfn ../.. build/typing/spikeproof
	MYPYPATH=build/typing $(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(READY): pyproject.toml constraints.txt requirements-lava.txt
	@echo "Setting up $(VENV) with $(PYTHON) (once; a few minutes)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  && $(BIN)/python -m pip install --quiet --no-deps --ignore-requires-python -r requirements-lava.txt || true
	touch $@

clean:
	rm -rf $(VENV) .venvs build runs
