"""Quality by the viewer's stage and activity, and by the age of the projects that the viewer engaged with."""

from collections.abc import Mapping, Sequence

import numpy as np

from db.time_units import DAY_S, HOUR_S
from scoring.evaluation.results import Breakdown, mean_and_error
from scoring.mathematics.ranking_metrics import ranks_of_relevant
from scoring.mathematics.signals import Floats, Integers
from scoring.replay.measurements import RankingMetrics
from scoring.replay.replayed_requests import VIEWER_STAGES, ReplayedRequest

ACTIVITY = (0, 1, 5, 10, 20, 50, 100)
"""Smallest number of earlier projects of each group of viewers."""
HISTORIES = ("none", "1 to 4", "5 to 9", "10 to 19", "20 to 49", "50 to 99", "100 or more")
AGES_S = (0.0, HOUR_S, 6 * HOUR_S, DAY_S, 3 * DAY_S, 7 * DAY_S, 30 * DAY_S)
"""Smallest age of each group of projects."""
AGES = ("under 1 h", "1 to 6 h", "6 to 24 h", "1 to 3 days", "3 to 7 days", "7 to 30 days", "30 days or more")
FIRST_RANKS = 10


class QualityBreakdown:
    """Stage, activity and found projects of each request, for some of the rankings."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._requests: list[tuple[int, int, int]] = []  # viewer, index of the stage, earlier projects
        self._ages_s: list[Floats] = []
        self._found: dict[str, list[Floats]] = {name: [] for name in names}

    def add(self, request: ReplayedRequest, scores_by_name: Mapping[str, Floats]) -> None:
        """Add a request with the (n,) scores of its candidates by each ranking."""
        n_earlier = request.evidence.engagements.projects.size
        self._requests.append((request.actor, VIEWER_STAGES.index(request.stage), n_earlier))
        self._ages_s.append(np.maximum(request.at_s - request.evidence.created_s[request.relevant], 0.0))
        for name in self._names:
            ranks = ranks_of_relevant(scores_by_name[name], request.relevant)
            self._found[name].append((ranks < FIRST_RANKS).astype(np.float64))

    def by_viewer(self, measured: Mapping[str, RankingMetrics]) -> dict[str, Breakdown]:
        """Return the mean NDCG@10 by the viewer's stage and number of earlier projects."""
        viewers, stages, n_earlier = np.array(self._requests).T
        ndcg = {name: measured[name].values[:, 0] for name in self._names}
        activity = np.searchsorted(ACTIVITY, n_earlier, side="right") - 1
        return {
            "NDCG@10 by stage of the viewer": _groups(VIEWER_STAGES, stages, ndcg, viewers, "requests"),
            "NDCG@10 by earlier projects of the viewer": _groups(HISTORIES, activity, ndcg, viewers, "requests"),
        }

    def by_age(self) -> dict[str, Breakdown]:
        """Return the share of engaged projects among the first ten ranks, by the project's age at the request."""
        viewers = np.repeat([viewer for viewer, _, _ in self._requests], [ages.size for ages in self._ages_s])
        ages = np.searchsorted(AGES_S, np.concatenate(self._ages_s), side="right") - 1
        found = {name: np.concatenate(parts) for name, parts in self._found.items()}
        title = f"share found in the first {FIRST_RANKS}, by age of the engaged project"
        return {title: _groups(AGES, ages, found, viewers, "projects")}


def _groups(
    labels: Sequence[str], groups: Integers, values: Mapping[str, Floats], clusters: Integers, unit: str
) -> Breakdown:
    def row(members: Integers) -> dict[str, tuple[float, float | None]]:
        return {name: mean_and_error(v[members], clusters[members]) for name, v in values.items()}

    by_label = {label: np.flatnonzero(groups == index) for index, label in enumerate(labels)}
    return {f"{label} ({members.size:,} {unit})": row(members) for label, members in by_label.items() if members.size}
