"""Features from rows to arrays."""

from db.models import TermKind
from scoring.features import incidences


def test_terms_are_told_apart_by_their_kind():
    read = incidences(["too12,cat3,top7", None, "too9"])
    assert read[TermKind.TOOL].rows.tolist() == [0, 2]
    assert read[TermKind.TOOL].terms.tolist() == [12, 9]
    assert (read[TermKind.CATEGORY].terms.tolist(), read[TermKind.TOPIC].terms.tolist()) == ([3], [7])
    assert {part.n for part in read.values()} == {3}
