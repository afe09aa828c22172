"""The top layer: HTTP and WebSockets, authentication, limits, pages, background jobs and the command line.

It parses requests and commands and answers them. The types of the graph are in `resolvers`, rankings in `scoring`.
"""

import os

# One thread for linear algebra: a request multiplies one small matrix, and thread pools of several processes would
# compete for the cores. OpenBLAS reads this once, when NumPy is first imported.
for _pool in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ.setdefault(_pool, "1")
