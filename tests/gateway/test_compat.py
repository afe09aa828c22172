"""The private parts of libraries that the gateway uses are there, in the versions that are installed."""

from gateway import compat
from tests.private_parts import incompatibilities


def test_the_installed_versions_have_every_private_part_that_is_used():
    found = incompatibilities(compat.TESTED, compat.USED_ATTRIBUTES)
    assert not found, "\n".join(found)


def test_a_new_version_and_a_lost_part_are_named():
    used = {compat.RequestResponseCycle: "message_event removed_by_a_new_version"}
    untested, lost = incompatibilities({"uvicorn": (0, 1)}, used)
    assert untested.startswith("uvicorn 0.")
    assert "RequestResponseCycle has no removed_by_a_new_version any more" in lost
