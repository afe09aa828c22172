"""What was read last is given back, until it is too old or there is no room."""

from db.cache.last_known import LastKnown


def test_what_was_read_is_given_back_and_the_rest_is_not():
    known = LastKnown[str, int](10)
    known.note({"a": 1, "b": 2})
    known.note({"b": 3})
    assert known.recall(["a", "b", "c"]) == {"a": 1, "b": 3}
    known.forget()
    assert known.recall(["a", "b"]) == {}


def test_the_oldest_make_room():
    known = LastKnown[int, int](3)
    known.note({1: 1, 2: 2, 3: 3})
    known.note({1: 1})
    known.note({4: 4})
    assert known.recall(range(6)) == {1: 1, 3: 3, 4: 4}


def test_what_is_too_old_is_not_given():
    now = [0.0]
    known = LastKnown[str, int](10, kept_s=60, clock=lambda: now[0])
    known.note({"old": 1})
    now[0] = 30
    known.note({"new": 2})
    now[0] = 61
    assert known.recall(["old", "new"]) == {"new": 2}
