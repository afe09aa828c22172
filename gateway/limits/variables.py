"""How deep the JSON of a request's variables is nested, and how many values it has."""

from typing import Any

from gateway.limits.errors import OverLimit, amount


def check_variables(variables: dict[str, Any] | None, *, depth: int, values: int) -> int:
    """Refuse variables that are nested too deep or too many.

    Stops as soon as one of the limits is passed, and never calls itself.

    Parameters
    ----------
    depth
        Lists and objects within each other that are allowed.
    values
        Texts, numbers and so on that are allowed, lists and objects counted too.

    Returns
    -------
    The number of values.

    Raises
    ------
    OverLimit
        If there is more.
    """
    level: list[Any] = list((variables or {}).values())
    nested = counted = 0
    while level:
        counted += len(level)
        if counted > values:
            raise OverLimit("TOO_MANY_VALUES", _MANY.format(amount(values)), asked=counted, allowed=values)
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += value.values()
            elif isinstance(value, list):
                below += value
        if any(isinstance(value, dict | list) for value in level):
            nested += 1
        if nested > depth:
            raise OverLimit("VALUES_TOO_DEEP", DEEP.format("The variables are", depth), asked=nested, allowed=depth)
        level = below
    return counted


DEEP = "{} nested more than {} deep. Send flatter values."
_MANY = "The variables hold more than {} values. Send them in several requests."
