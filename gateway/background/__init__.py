"""Background work: the worker process, its tasks, the scheduler and the periodic jobs.

The jobs themselves are in `scoring` and `db`; here they get a schedule, a log line and a clean stop.
"""
