"""Commands that measure the fitter; `make bench` runs all and writes RESULTS.md."""

import os

# Before numpy is imported: one thread, for what is measured and for what it is compared with.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
