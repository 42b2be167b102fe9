# make demo     the main job on the embedded default: sweep, fit, plan, launch, compare, report
# make test     the whole test suite, offline
# make check    what CI runs beside the tests: lint, types, import layers
# make install  the environment .venv alone
# Set PYTHON to choose the interpreter (3.11 or newer): make demo PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.dcpt-installed
# One thread per process: the parallelism is in the number of processes.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

.PHONY: demo test check install clean
.NOTPARALLEL:

install: $(STAMP)

# A torch the interpreter already has (a CUDA build, say) is used where it is, if its version fits;
# otherwise the environment gets its own, and the one outside stays untouched.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "dcpt needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $$($(PYTHON) -c 'import importlib.metadata as m; v = tuple(int(p) for p in m.version("torch").split("+")[0].split(".")[:2]); print("--system-site-packages" if (2, 6) <= v < (2, 14) else "")' 2>/dev/null) $(VENV) || { echo "could not create $(VENV); on Debian or Ubuntu install the package python3-venv" >&2; exit 2; }
	@echo "installing dcpt and what it needs into $(VENV) (about a minute the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $(STAMP)

demo: install
	@$(BIN)/dcpt demo

test: install
	$(BIN)/python -m pytest -n 2

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy --strict -p dcpt.core -p dcpt.laws -p dcpt.fit -p dcpt.plan
	$(BIN)/lint-imports

clean:
	rm -rf experiments/demo fits/demo
