"""What the sources of candidates reach of what viewers went on to touch, and what each of them adds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from scoring.mathematics.ranking_metrics import clustered_standard_error
from scoring.mathematics.signals import Integers
from scoring.replay.log_candidate_sources import LOG_SOURCES, CandidateSource, merge_candidates


@dataclass(slots=True, eq=False)
class SourceRecall:
    """Counts, request by request, the relevant projects that each source and the union of all of them brought."""

    viewers: list[int] = field(default_factory=list)
    alone: dict[CandidateSource, list[float]] = field(default_factory=dict)
    without: dict[CandidateSource, list[float]] = field(default_factory=dict)
    union: list[float] = field(default_factory=list)
    brought: dict[CandidateSource, list[int]] = field(default_factory=dict)
    candidates: list[int] = field(default_factory=list)

    def add(self, viewer: int, by_source: Mapping[CandidateSource, Integers], relevant: Integers) -> None:
        """Note one request: what each source brought, and the relevant projects (dense indexes)."""
        all_of_them = merge_candidates(by_source)
        self.viewers.append(viewer)
        self.union.append(_share(all_of_them, relevant))
        self.candidates.append(all_of_them.size)
        for source, ids in by_source.items():
            others = merge_candidates({name: found for name, found in by_source.items() if name is not source})
            self.alone.setdefault(source, []).append(_share(ids, relevant))
            self.without.setdefault(source, []).append(_share(others, relevant))
            self.brought.setdefault(source, []).append(ids.size)

    def facts(self) -> dict[str, object]:
        """Give the recall of the union, and for each source its own, what the union would be without it, and sizes."""
        return {
            "recall of the candidates": _told(self.union, self.viewers),
            "candidates a request": round(float(np.mean(self.candidates))),
            "sources": {
                source.value: {
                    "brings": round(float(np.mean(self.brought[source]))),
                    "recall alone": _told(self.alone[source], self.viewers),
                    "recall of all others": _told(self.without[source], self.viewers),
                    "adds": round(float(np.mean(self.union) - np.mean(self.without[source])), 4),
                }
                for source in self.alone
            },
            "sources that a log cannot feed": ", ".join(one.value for one in CandidateSource if one not in LOG_SOURCES),
        }


def _share(found: Integers, relevant: Integers) -> float:
    return float(np.isin(relevant, found).mean())


def _told(values: list[float], viewers: list[int]) -> str:
    array = np.array(values)
    return f"{array.mean():.4f} ± {clustered_standard_error(array, np.array(viewers)):.4f}"
