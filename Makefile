# Everything a newcomer needs: `make demo` and `make test`. Python 3.11+, make and git are enough.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test soak bench aws-smoke format lock clean

# Compiled here, because a command line that compiles itself at each start is slow.
.venv/.ready: constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("mycli needs Python 3.11 or newer; this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --requirement constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q -j 0 .venv/lib mycli orchestrator
	touch $@

setup: .venv/.ready

demo: setup
	@sh tests/demo.sh

test: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/cog --check README.md
	$(BIN)/pytest

# The long runs: some tens of minutes. Each has a short one in `make test`.
soak: setup
	$(BIN)/pytest -m soak

# Beside the AWS CLI, awslogs and modal: about ten minutes, on a machine that does nothing else.
bench: setup
	@$(BIN)/python -m benchmarks --docs docs

# On real AWS, with your credentials: says what it costs and asks first, and destroys what it makes.
aws-smoke: setup
	@$(BIN)/python -m tests.aws_smoke

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/cog -r README.md

# Versions and hashes for every Python and platform; no index and no address in the file.
lock: setup
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
		--no-header --no-annotate --extra local --group dev --python-version 3.11 \
		--output-file constraints.txt pyproject.toml

clean:
	rm -rf .venv .bench build dist
