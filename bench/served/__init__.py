"""Comparison of the served For You page with the replay: a log is imported step by step, and requests are served."""
