"""The mathematics of ranking: signals, models, diversity, velocity, neighbors, fitting and metrics on NumPy arrays.

Functions of this package take and return arrays. No module does I/O, is `async`, or imports anything of `db` except
the numbers in `db.time_units` and `db.trend_constants`. Code that calls stores belongs to the other packages.
"""
