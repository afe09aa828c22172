"""The file of INTERACTION_TYPES."""

from pathlib import Path

import pytest

from db.custom_types import CustomType
from gateway.errors import CannotStart
from gateway.interaction_types import read_interaction_types

FILE = """
[watched]
label = "watched"
minimum = 0
maximum = 86400
positive_from = 30

[stars]
label = " rated "
weight = 3
deliberate = true
minimum = 1
maximum = 5
negative_to = 2
positive_from = 4

[shared]
label = "shared"
deliberate = true

[reported]
label = "reported"
negative = true
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "types.toml"
    path.write_text(text)
    return path


def test_each_section_is_a_type(tmp_path: Path) -> None:
    assert read_interaction_types(None) == ()
    assert read_interaction_types(written(tmp_path, FILE)) == (
        CustomType("watched", "watched", minimum=0, maximum=86400, positive_from=30),
        CustomType("stars", "rated", 3, True, minimum=1, maximum=5, positive_from=4, negative_to=2),
        CustomType("shared", "shared", is_deliberate=True),
        CustomType("reported", "reported", positive_from=None, negative_to=0.0),
    )


SOME = '[x]\nlabel = "x"\n'
RANGE = f"{SOME}minimum = 0\nmaximum = 10\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[x", "is not TOML"),
        ("x = 1", "an error in x: must be an object"),
        ("[like]\nlabel = 'x'", "'like', which is built in"),
        ("[bookmark]\nlabel = 'x'", "'bookmark', which is built in"),
        ("[Watched]\nlabel = 'x'", "the type 'Watched'; a name has"),
        ("[x]", "an error in x.label: is missing"),
        (SOME + "wieght = 1", "an error in x.wieght: is not a field"),
        (SOME + "weight = 0", "an error in x.weight: must be greater than or equal to 0.001"),
        (SOME + "weight = nan", "an error in x.weight"),
        (SOME + "weight = '2026'", "an error in x.weight: must be a number, without quotes"),
        (SOME + "deliberate = 'yes'", "an error in x.deliberate: must be true or false, without quotes"),
        ('[x]\nlabel = "a\\u0000"', "an error in x.label: must not contain the character U+0000 (NUL)"),
        (SOME + "minimum = 0", "give both minimum and maximum"),
        (SOME + "positive_from = 3", "give both minimum and maximum"),
        (RANGE, "give positive_from, negative_to or both"),
        (RANGE + "positive_from = 11", "the order must be minimum, negative_to, positive_from, maximum"),
        (RANGE + "positive_from = 3\nnegative_to = 3", "the order must be"),
        (RANGE + "positive_from = 3\nnegative = true", "give negative_to"),
        ("\n".join(f"[x{n}]\nlabel = 'x'" for n in range(13)), "more than 12 types with deliberate = false"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_and_the_rule(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(CannotStart, match=r"INTERACTION_TYPES: .*types\.toml") as refused:
        read_interaction_types(written(tmp_path, text))
    assert fault in refused.value.message
    assert refused.value.exit_code == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"nowhere\.toml cannot be read"):
        read_interaction_types(tmp_path / "nowhere.toml")
