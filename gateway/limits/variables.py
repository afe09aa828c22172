"""Nesting and number of the JSON values in a request's variables."""

from typing import Any

from gateway.errors import OverLimit, format_amount


def check_variables(variables: dict[str, Any] | None, *, depth: int, values: int) -> int:
    """Count the values of variables, lists and objects included, without recursion.

    Raises
    ------
    OverLimit
        As soon as there are more than `values`, or nested deeper than `depth`.
    """
    level: list[Any] = list((variables or {}).values())
    nested = counted = 0
    while level:
        counted += len(level)
        if counted > values:
            message = f"The variables hold more than {format_amount(values)} values. Use several requests."
            raise OverLimit("TOO_MANY_VALUES", message, asked=counted, allowed=values)
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += value.values()
            elif isinstance(value, list):
                below += value
        if any(isinstance(value, dict | list) for value in level):
            nested += 1
        if nested > depth:
            message = f"The variables are nested more than {depth} deep. Send flatter values."
            raise OverLimit("VALUES_TOO_DEEP", message, asked=nested, allowed=depth)
        level = below
    return counted
