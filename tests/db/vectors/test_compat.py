"""The private parts of Weaviate's client that the gateway uses are there, in the version that is installed."""

from db.vectors.weaviate import compat
from tests.private_parts import incompatibilities


def test_the_installed_client_has_every_private_part_that_is_used():
    found = incompatibilities(compat.TESTED, compat.USED_ATTRIBUTES)
    assert not found, "\n".join(found)
