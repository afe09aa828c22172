"""Recently read values are returned until they are too old or displaced."""

from db.cache.last_known import LastKnownValues


def test_what_was_read_is_given_back_and_the_rest_is_not():
    known = LastKnownValues[str, int](10)
    known.remember({"a": 1, "b": 2})
    known.remember({"b": 3})
    assert known.recall(["a", "b", "c"]) == {"a": 1, "b": 3}
    known.clear()
    assert known.recall(["a", "b"]) == {}


def test_the_oldest_make_room():
    known = LastKnownValues[int, int](3)
    known.remember({1: 1, 2: 2, 3: 3})
    known.remember({1: 1})
    known.remember({4: 4})
    assert known.recall(range(6)) == {1: 1, 3: 3, 4: 4}


def test_what_is_too_old_is_not_given():
    now = [0.0]
    known = LastKnownValues[str, int](10, max_age_s=60, clock=lambda: now[0])
    known.remember({"old": 1})
    now[0] = 30
    known.remember({"new": 2})
    now[0] = 61
    assert known.recall(["old", "new"]) == {"new": 2}
