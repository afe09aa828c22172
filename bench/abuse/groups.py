"""The groups of probes, in the order in which they are sent."""

from collections.abc import Mapping, Sequence

from bench.abuse import (
    caching,
    demo_viewers,
    documents,
    hidden,
    information,
    origins,
    pages,
    persisted,
    streams,
    token_rules,
    tokens,
    variables,
    wire,
)
from bench.abuse.probe import Probe

GROUPS: Mapping[str, Sequence[Probe]] = {
    "HTTP": wire.PROBES,
    "documents and cost": documents.PROBES,
    "variables": variables.PROBES,
    "tokens and sessions": tokens.PROBES,
    "token rules": token_rules.PROBES,
    "information": information.PROBES,
    "hidden things": hidden.PROBES,
    "origins": origins.PROBES,
    "demo viewers": demo_viewers.PROBES,
    "persisted documents": persisted.PROBES,
    "streams": streams.PROBES,
    "pages and paths": pages.PROBES,
    "caching": caching.PROBES,
}
