# What a newcomer needs: `make capture URL=https://…` and `make test`. `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
# Each worker of the tests drives browsers of its own, so more of them than this gain little.
WORKERS ?= 2
BIN := $(VENV)/bin
SOURCES := $(shell find evidencekit cli -type f -not -path '*/__pycache__/*' 2>/dev/null)
# An editable installation follows the sources by itself and must not be replaced by a copy.
INSTALLED := $(if $(wildcard $(VENV)/.editable),$(VENV)/.editable,$(VENV)/.installed)
CHECKED := evidencekit cli tests scripts bench examples

# A URL is data: `?a=$(id)&b='x#y` must arrive as typed. `value` reads it without expanding it, the
# environment carries it past the shell, and make's own copy is withdrawn, because exporting that
# one would expand it.
unexport URL
ifneq ($(value URL),)
export EVIDENCEKIT_URL := $(value URL)
endif

.PHONY: help capture doctor test check fuzz lint types contracts fix dist clean mutate
.DEFAULT_GOAL := help

help:
	@echo 'make capture [URL=https://…] [ARGS=…]  capture a page; without URL, a demonstration shop'
	@echo 'make doctor                            say what is missing on this machine'
	@echo 'make test [ARGS=…]                     run the tests, WORKERS=2 at a time'
	@echo 'make check                             lint, types, contracts and tests'
	@echo 'make fuzz [ARGS=…]                     damage what every parser reads, for ten minutes'
	@echo 'make fix                               format, and repair what can be repaired'
	@echo 'make dist                              build sdist and wheel into dist/'
	@echo 'make clean                             remove .venv and what the tools left'

capture: $(INSTALLED)
	@sh scripts/ensure-browser $(BIN)/python
	@sh scripts/run-capture $(BIN)/evidencekit $(ARGS)

doctor: $(INSTALLED)
	@$(BIN)/evidencekit doctor $(ARGS)

test: $(VENV)/.editable
	@sh scripts/ensure-browser $(BIN)/python
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

# `make fuzz ARGS='x509.cms --seconds 60 --seed 7'`: anything but its own error that leaves a parser is a bug.
fuzz: $(VENV)/.editable
	@$(BIN)/python -m tests.fuzz.runner $(ARGS)

# Continuous integration has just run `make test`, and says so: TESTED=yes.
check: lint types contracts $(if $(TESTED),,test)

lint: $(VENV)/.lint
	@$(BIN)/ruff check $(CHECKED)
	@$(BIN)/ruff format --check $(CHECKED)

types: $(VENV)/.lint
	@$(BIN)/mypy
	@$(BIN)/pyright --pythonpath $(BIN)/python

contracts: $(VENV)/.lint
	@$(BIN)/lint-imports

# Does a conformance case notice when one thing that a check sees is gone? Takes an hour; ARGS=--checks minutes.
mutate: $(VENV)/.editable
	@$(BIN)/python scripts/mutate_checks.py $(ARGS)

fix: $(VENV)/.lint
	@$(BIN)/ruff check --fix $(CHECKED)
	@$(BIN)/ruff format $(CHECKED)

dist: $(VENV)/pyvenv.cfg
	@$(BIN)/python -m pip install --quiet build
	@$(BIN)/python -m build --outdir dist .

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage*

$(VENV)/pyvenv.cfg:
	@PYTHON='$(PYTHON)' sh scripts/ensure-venv $(VENV)

$(VENV)/.installed: $(VENV)/pyvenv.cfg pyproject.toml $(SOURCES)
	@echo 'installing evidencekit into $(VENV) … / 正在安装 …'
	@$(BIN)/python -m pip install --quiet .
	@touch $@

# `--group` needs pip 25.1; Debian 12 brings 23.0.
$(VENV)/.editable: $(VENV)/pyvenv.cfg pyproject.toml
	@echo 'installing evidencekit and its test tools into $(VENV) …'
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable . --group test
	@touch $@

$(VENV)/.lint: $(VENV)/.editable
	@$(BIN)/python -m pip install --quiet --group lint
	@touch $@
