# make demo and make test need Python 3.11+ and make; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= runs/demo
PORT ?= 8000
PART ?= suggest
READY := $(VENV)/.ready
PLAYWRIGHT = $(BIN)/python -c 'import playwright' 2> /dev/null \
	|| $(BIN)/python -m pip install --quiet --disable-pip-version-check 'playwright==1.65.2'

.PHONY: help demo test lint bench docs docs-test hostile flips kills limits mutants playground playground-test clean

help:
	@echo "make demo    train AIR with and without rules, side by side, and draw the comparison ($(OUT))"
	@echo "make test    run the tests"
	@echo "make lint    ruff, pyright and the import contracts"
	@echo "make bench   the table of speed ratios (half a minute, on an otherwise idle machine)"
	@echo "make hostile flips kills limits   harnesses of docs/robustness.md: texts, bits, signals, disk and memory"
	@echo "make mutants  mistakes put into a part of the code, which tests have to see (PART=suggest; lower: an hour)"
	@echo "make docs    the docs site, in runs/site/html (no network)"
	@echo "make docs-test        look at it in headless Chromium, wide and narrow: pictures in runs/site/shots"
	@echo "make playground       serve the playground to this machine (takes Pyodide from npm the first time; PORT=8000)"
	@echo "make playground-test  run it in headless Chromium, and the conformance cases in Pyodide"
	@echo "make clean   remove $(VENV)"

demo: $(READY)
	$(BIN)/asrppl demo --out $(OUT)

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
# This mode asks the first python on the path where packages lie.
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pyright --verifytypes asrppl --ignoreexternal
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m benchmarks

hostile: $(READY)
	$(BIN)/python -m tests.hostile

flips: $(READY)
	$(BIN)/python -m tests.flips

kills: $(READY)
	$(BIN)/python -m tests.kills

limits: $(READY)
	$(BIN)/python -m tests.limits

# mutmut is no part of the environment that tests run in: no other target needs it.
mutants: $(READY)
	$(BIN)/python -c 'import mutmut' 2> /dev/null \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check 'mutmut==3.8.1'
	$(BIN)/python -m tests.mutants $(PART)

docs: $(READY)
	$(BIN)/python -m docs.site

# Needs Chromium, which no test of `make test` does.
docs-test: docs
	$(PLAYWRIGHT)
	$(BIN)/python -m docs.site.browser

playground: $(READY)
	$(BIN)/python -m examples.playground --port $(PORT)

# Needs Node.js and Chromium, which no test of `make test` does.
playground-test: $(READY)
	$(BIN)/python -m examples.playground --build
	node examples/playground/tests/conformance.mjs runs/playground .
	$(PLAYWRIGHT)
	$(BIN)/python -m examples.playground.tests.browser

# A $(PYTHON) of a virtual environment lends only its base's packages to another: the path leads to its own.
WHERE := import importlib.util, pathlib; print(pathlib.Path(importlib.util.find_spec("torch").origin).parents[1])
SITE := import sysconfig; print(sysconfig.get_path("purelib"))

# A torch that $(PYTHON) already has is used as it is (it is by far the largest part of the install), the rest comes from
# the lock file.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "asrppl needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1). Try: make PYTHON=python3.12 ..."; exit 1; }
	@if $(PYTHON) -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)'; then \
		echo "Using the torch that $(PYTHON) has."; \
		$(PYTHON) -m venv --system-site-packages $(VENV) && \
		$(PYTHON) -c '$(WHERE)' > "$$($(BIN)/python -c '$(SITE)')/torch.pth" && \
		grep -v '^torch==' requirements.lock > $(VENV)/requirements.lock; \
	else \
		$(PYTHON) -m venv $(VENV) && cp requirements.lock $(VENV)/requirements.lock; \
	fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(VENV)/requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $(READY)

clean:
	rm -rf $(VENV)
