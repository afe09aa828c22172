"""The private parts of libraries that the gateway uses are there, in the versions that are installed."""

import pytest

from gateway import compat


def test_the_installed_versions_have_every_private_part_that_is_used():
    found = compat.incompatibilities()
    assert not found, "\n".join(found)


def test_a_new_version_and_a_lost_part_are_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(compat.TESTED, "uvicorn", (0, 1))
    monkeypatch.setitem(compat._USED_ATTRIBUTES, compat.RequestResponseCycle, "message_event removed_by_a_new_version")
    untested, lost = compat.incompatibilities()
    assert untested.startswith("uvicorn 0.")
    assert "RequestResponseCycle has no removed_by_a_new_version any more" in lost
