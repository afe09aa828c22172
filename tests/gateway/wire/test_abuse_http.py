"""Every raw probe of the bench is answered as it should be."""

import pytest

from bench.abuse_http import PROBES, RawProbe, exchange
from tests.gateway.wire.conftest import Edge


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_a_probe_is_answered_as_it_should_be(edge: Edge, probe: RawProbe) -> None:
    assert tuple(exchange(("127.0.0.1", edge.port), probe.data)) == probe.statuses


def test_names_are_told_apart() -> None:
    assert len({probe.name for probe in PROBES}) == len(PROBES) >= 60
