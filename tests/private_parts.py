"""Check of the private parts of libraries that a compat module uses."""

from collections.abc import Mapping
from importlib.metadata import version
from inspect import getsource


def incompatibilities(tested: Mapping[str, tuple[int, ...]], used_attributes: Mapping[type, str]) -> list[str]:
    """Return a sentence for each untested version and each missing private attribute."""
    problems = []
    for package, tested_version in tested.items():
        installed = version(package)
        if tuple(int(part) for part in installed.split(".")[: len(tested_version)]) != tested_version:
            expected = ".".join(map(str, tested_version))
            problems.append(f"{package} {installed} is not tested: run the tests, then replace {expected} in TESTED")
    for owner, names in used_attributes.items():
        source = getsource(owner)
        problems += [
            f"{owner.__module__}.{owner.__name__} has no {name} any more: adapt its uses"
            for name in names.split()
            if not hasattr(owner, name) and f"self.{name}" not in source
        ]
    return problems
