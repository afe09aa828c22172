"""The edge: HTTP, who is asking, limits, pages and the command line. The top floor."""

import os

# One thread for linear algebra: a request multiplies one small matrix, and a pool of threads per worker process would
# only fight over the cores. OpenBLAS reads this once, when NumPy is first imported, so it stands here.
for _pool in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ.setdefault(_pool, "1")
