# make run     set everything up and serve
# make demo    one call of each API on sample input that the project makes itself
# make test    set everything up and run every test
# make check   lint, types, layering, contract tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests run in so many processes; each starts a Triton of its own, which takes about 1 GB.
TEST_WORKERS ?= 2

.PHONY: install run demo test check clean
install: $(VENV)/.installed

run: install
	$(BIN)/radgate serve

demo: install
	$(BIN)/radgate demo

test: $(VENV)/.installed-test
	$(BIN)/pytest -n $(TEST_WORKERS) --dist loadfile

check: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_layering.py tests/models/test_repository.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache

# The stamps keep a second run quick: they are remade only when pyproject.toml changes.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) tools/preflight.py
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	@touch $@
