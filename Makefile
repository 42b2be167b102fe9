# make demo     the main job on the embedded default: sweep, fit, plan, launch, compare, report
# make test     the whole test suite, offline
# make check    what CI runs beside the tests: lint, types, import layers
# make bench    the speed and reliability of the fitter, measured anew (QUICK=1: a sample, shown only)
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

.PHONY: demo test check bench install clean
.NOTPARALLEL:

install: $(STAMP)

# A torch that PYTHON already has (a CUDA build, say) is used where it lies, if its version fits; it is
# never replaced, and the environment outside .venv stays as it is.
define FIND_TORCH
import importlib.metadata as metadata
try:
    found = metadata.distribution("torch")
    version = tuple(int(part) for part in found.version.split("+")[0].split(".")[:2])
    print(found.locate_file("").resolve() if (2, 6) <= version < (2, 14) else "")
except (metadata.PackageNotFoundError, ValueError):
    print("")
endef
export FIND_TORCH

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "dcpt needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "could not create $(VENV); on Debian or Ubuntu install the package python3-venv" >&2; exit 2; }
	@where=$$($(PYTHON) -c "$$FIND_TORCH"); test -z "$$where" || { echo "using the torch in $$where"; echo "$$where" > $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/existing-torch.pth; }
	@echo "installing dcpt and what it needs into $(VENV) (about a minute the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat -e ".[dev]"
	@touch $(STAMP)

demo: install
	@$(BIN)/dcpt demo

test: install
	$(BIN)/python -m pytest -n 2

check: install
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy --strict -p dcpt.core -p dcpt.laws -p dcpt.fit -p dcpt.plan
	$(BIN)/python -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

bench: install
	$(BIN)/python -m benchmarks.run_all $(if $(QUICK),--quick)

clean:
	rm -rf experiments/demo fits/demo
