"""What runs beside requests: the worker process and the periodic jobs."""
