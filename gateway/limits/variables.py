"""Nesting and number of the JSON values in a request's variables."""

from typing import Any

from gateway.errors import OverLimit, format_amount


def check_variables(variables: dict[str, Any] | None, *, depth: int, values: int) -> int:
    """Count the values of variables, lists and objects included, without recursion.

    Raises `OverLimit` if there are more than `values`, or they are nested deeper than `depth`.
    """
    level: list[Any] = list((variables or {}).values())
    levels = count = 0
    while level:
        count += len(level)
        if count > values:
            message = f"The variables hold more than {format_amount(values)} values. Use several requests."
            raise OverLimit("TOO_MANY_VALUES", message, asked=count, allowed=values)
        next_level: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                next_level += value.values()
            elif isinstance(value, list):
                next_level += value
        if any(isinstance(value, dict | list) for value in level):
            levels += 1
        if levels > depth:
            message = f"The variables are nested more than {depth} deep. Send flatter values."
            raise OverLimit("VALUES_TOO_DEEP", message, asked=levels, allowed=depth)
        level = next_level
    return count
