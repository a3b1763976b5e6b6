# Two commands, each makes its virtual environment `.venv` on first use and installs what it needs into it:
#   make demo   reconstructs a synthetic neuron into demo/ and scores it against the truth
#   make test   runs the tests
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet -c constraints.txt
STRICT := core swc io  # packages of which tests run 98 % of lines and branches; pyproject.toml has the limit of all
SOURCES := pyproject.toml constraints.txt $(shell find neurorecon models -type f -not -path '*/__pycache__/*')

.PHONY: demo test lint clean

demo: .venv/.installed
	$(BIN)/python examples/demo.py demo

test: .venv/.installed-dev
	$(BIN)/pytest -n 2 --dist loadfile --cov --cov-report=term
	@for package in $(STRICT); do \
	  echo "coverage of $$package:" && \
	  $(BIN)/coverage report --include="*/neurorecon/$$package/*" --fail-under=98 || exit 1; \
	done

lint: .venv/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

clean:
	rm -rf .venv build demo *.egg-info

$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/.installed: $(SOURCES) | $(BIN)/python
	rm -rf build
	$(INSTALL) .
	touch $@

.venv/.installed-dev: $(SOURCES) | $(BIN)/python
	rm -rf build
	$(INSTALL) ".[dev]"
	touch .venv/.installed $@
