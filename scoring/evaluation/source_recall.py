"""Recall of the candidate sources: of each source, of all together, and of all others without each source."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from scoring.evaluation.results import mean_with_error
from scoring.mathematics.signals import Integers
from scoring.pipelines.candidate_sources import CandidateSource, merge_candidates
from scoring.replay.log_candidate_sources import LOG_SOURCES


@dataclass(slots=True, eq=False)
class SourceRecall:
    """Recall of the relevant projects; each list has one entry per request."""

    viewer_ids: list[int] = field(default_factory=list)
    union_recall: list[float] = field(default_factory=list)
    union_sizes: list[int] = field(default_factory=list)
    source_recall: dict[CandidateSource, list[float]] = field(default_factory=dict)
    recall_of_others: dict[CandidateSource, list[float]] = field(default_factory=dict)
    source_sizes: dict[CandidateSource, list[int]] = field(default_factory=dict)

    def add(self, viewer_id: int, by_source: Mapping[CandidateSource, Integers], relevant: Integers) -> None:
        """Add one request: the candidates of each source, and the relevant projects (dense indexes)."""
        union = merge_candidates(by_source)
        self.viewer_ids.append(viewer_id)
        self.union_recall.append(_recall(union, relevant))
        self.union_sizes.append(union.size)
        for source, ids in by_source.items():
            others = merge_candidates({name: others for name, others in by_source.items() if name is not source})
            self.source_recall.setdefault(source, []).append(_recall(ids, relevant))
            self.recall_of_others.setdefault(source, []).append(_recall(others, relevant))
            self.source_sizes.setdefault(source, []).append(ids.size)

    def facts(self) -> dict[str, object]:
        """Return mean recalls and sizes: of all sources together, of each source, and of all others."""
        viewers = np.array(self.viewer_ids)
        return {
            "recall of the candidates": mean_with_error(self.union_recall, viewers),
            "candidates a request": round(float(np.mean(self.union_sizes))),
            "sources": {
                source.value: {
                    "candidates": round(float(np.mean(self.source_sizes[source]))),
                    "recall alone": mean_with_error(self.source_recall[source], viewers),
                    "recall of all others": mean_with_error(self.recall_of_others[source], viewers),
                    "adds": round(float(np.mean(self.union_recall) - np.mean(self.recall_of_others[source])), 4),
                }
                for source in self.source_recall
            },
            "sources that a log cannot feed": ", ".join(
                source for source in CandidateSource if source not in LOG_SOURCES
            ),
        }


def _recall(candidates: Integers, relevant: Integers) -> float:
    return float(np.isin(relevant, candidates).mean())
