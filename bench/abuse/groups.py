"""The groups of probes, in the order in which they are sent."""

from collections.abc import Mapping, Sequence

from bench.abuse import documents
from bench.abuse.probe import Probe

GROUPS: Mapping[str, Sequence[Probe]] = {
    "documents and cost": documents.PROBES,
}
