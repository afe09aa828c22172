"""First visits are ranked without a profile."""

from dataclasses import replace

import numpy as np

from db.time_units import DAY_S
from scoring.evaluation.protocols import AS_SERVED, FITTED, Options, evaluate_first_visits
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.diversity import DiversityAttributes
from scoring.mathematics.signals import Incidence
from tests.scoring.evaluation.test_replay import START_S, a_dataset, quiet


def test_first_visits_are_ranked_without_a_profile_and_with_diversity():
    dataset = a_dataset(days=40, people=60)
    joined_s = START_S + np.arange(60) * 0.6 * DAY_S
    log = dataset.log
    kept = log.at_s >= joined_s[log.actors]
    log = EventLog.from_events(log.actors[kept], log.projects[kept], log.at_s[kept], 60, log.n_projects)
    nothing = Incidence(log.n_projects, np.empty(0, np.int64), np.empty(0, np.int64))
    owners = np.arange(log.n_projects) % 3
    dataset = replace(dataset, log=log, likes=log, diversity=DiversityAttributes(owners, nothing, nothing))
    results = evaluate_first_visits(dataset, Options(floor=1), quiet)
    rows = {row["name"]: row for row in results.summary()}
    assert results.facts["requests tested on"] == len(set(results.viewers.tolist())) > 5
    assert results.facts["share of new viewers"] == 1.0
    assert rows[FITTED]["ndcg@10"] > rows["popular"]["ndcg@10"]
    assert rows[AS_SERVED]["difference"] != 0.0
