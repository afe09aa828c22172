"""The mathematics of ranking: signals, models, diversity, velocity, neighbors, fitting and metrics on NumPy arrays.

Arrays in, arrays out: nothing here does I/O, is `async`, or imports `db` except for the numbers in `db.time_units`.
Code that calls stores belongs to the other packages.
"""
