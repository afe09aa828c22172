"""Splits of a log that ask no time."""

from dataclasses import dataclass

import numpy as np

from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.signals import Integers

HIDDEN_SHARE = 0.2
LEAST_POSITIVES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """What is known (all at one time), and for each viewer what was hidden."""

    known: EventLog
    viewers: Integers
    hidden: tuple[Integers, ...]


def random_split(log: EventLog, seed: int, share: float = HIDDEN_SHARE, least: int = LEAST_POSITIVES) -> Split:
    """Hide a random share of the projects of each actor who has at least `least`; one at least."""
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(log.actors.size), log.actors))
    actors, projects = log.actors[order], log.projects[order]
    counts = np.bincount(actors, minlength=log.n_actors)
    place = np.arange(actors.size) - (np.cumsum(counts) - counts)[actors]
    most = np.where(counts >= least, np.maximum(1, np.round(counts * share)), 0)
    hidden = place < most[actors]
    known = EventLog.of(
        actors[~hidden], projects[~hidden], np.zeros(int((~hidden).sum())), log.n_actors, log.n_projects
    )
    viewers = np.unique(actors[hidden])
    starts = np.searchsorted(actors[hidden], viewers)
    return Split(known, viewers, tuple(np.split(projects[hidden], starts[1:])))
