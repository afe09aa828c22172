"""Recall of the candidate sources: alone, together, and without each."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from scoring.evaluation.results import mean_with_error
from scoring.mathematics.signals import Integers
from scoring.pipelines.candidate_sources import CandidateSource, merge_candidates
from scoring.replay.log_candidate_sources import LOG_SOURCES


@dataclass(slots=True, eq=False)
class SourceRecall:
    """Recall of the relevant projects, request by request."""

    viewers: list[int] = field(default_factory=list)
    union: list[float] = field(default_factory=list)
    candidates: list[int] = field(default_factory=list)
    alone: dict[CandidateSource, list[float]] = field(default_factory=dict)
    without: dict[CandidateSource, list[float]] = field(default_factory=dict)
    sizes: dict[CandidateSource, list[int]] = field(default_factory=dict)

    def add(self, viewer: int, by_source: Mapping[CandidateSource, Integers], relevant: Integers) -> None:
        """Count one request: the projects that each source finds, and the relevant ones (dense indexes)."""
        union = merge_candidates(by_source)
        self.viewers.append(viewer)
        self.union.append(_recall(union, relevant))
        self.candidates.append(union.size)
        for source, ids in by_source.items():
            others = merge_candidates({name: found for name, found in by_source.items() if name is not source})
            self.alone.setdefault(source, []).append(_recall(ids, relevant))
            self.without.setdefault(source, []).append(_recall(others, relevant))
            self.sizes.setdefault(source, []).append(ids.size)

    def facts(self) -> dict[str, object]:
        """Return the recall of all sources together, and of each alone and of all others, with sizes."""
        viewers = np.array(self.viewers)
        return {
            "recall of the candidates": mean_with_error(self.union, viewers),
            "candidates a request": round(float(np.mean(self.candidates))),
            "sources": {
                source.value: {
                    "candidates": round(float(np.mean(self.sizes[source]))),
                    "recall alone": mean_with_error(self.alone[source], viewers),
                    "recall of all others": mean_with_error(self.without[source], viewers),
                    "adds": round(float(np.mean(self.union) - np.mean(self.without[source])), 4),
                }
                for source in self.alone
            },
            "sources that a log cannot feed": ", ".join(one.value for one in CandidateSource if one not in LOG_SOURCES),
        }


def _recall(found: Integers, relevant: Integers) -> float:
    return float(np.isin(relevant, found).mean())
