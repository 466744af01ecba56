# Two commands do everything from a fresh clone: `make demo` and `make test`.
VENV := .venv
BIN := $(VENV)/bin

# A test run and a demo start many processes, which begin sooner if Python keeps what it compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo demo-local test lint types interop clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt scripts/setup.sh
	./scripts/setup.sh $(VENV)

demo: setup
	./scripts/demo.sh $(BIN)

demo-local: setup
	./scripts/local_demo.sh $(BIN) runs/local

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

# Two processes, each with a file of tests at a time: half of the tests compute, half of them wait.
# A process that dies fails the run; starting another would run what killed it once more.
TESTERS := 2
test: setup lint types
	$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder \
		--max-worker-restart 0

# A js-libp2p peer against a node; needs node 20 or newer and npm.
interop: setup
	cd interop && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	$(BIN)/python -m interop.run

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis runs interop/node_modules
