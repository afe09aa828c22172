"""How well the trending formulas foresee the people of the next 24 hours, on a folder of real events with times.

    python -m bench.trending FOLDER

Moments 17 hours apart; what exists is ranked by the events before; truth is the distinct people who come for the first
time within 24 hours; NDCG@10. Constants are fitted on the first 60 % of the time, what is printed is of the rest.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoring.evaluation.dataset import Dataset, load_dataset
from scoring.velocity import CONSTANTS, HALF_LIVES_S, Constants, Window, decayed, fit, mixed, ours

Floats = NDArray[np.float64]
HOUR_S, DAY_S = 3_600.0, 86_400.0
STEP_S = 17 * HOUR_S
LEAST_PROJECTS = 5
"""A moment after which fewer projects than this are visited says little of an order of ten."""
Moment = tuple[Floats, Floats, Floats]


def moment(data: Dataset, at_s: float) -> Moment:
    """Give what is known at a moment, and the people who come next."""
    seconds, projects = data.log.at_s, data.log.projects
    n, known = len(data.projects), int(np.searchsorted(seconds, at_s))
    coming = int(np.searchsorted(seconds, at_s + DAY_S))
    there = np.flatnonzero(data.created_s < at_s)
    columns = [
        np.bincount(projects[:known], decayed(1.0, seconds[:known], at_s, half_life_s), n)[there]
        for half_life_s in HALF_LIVES_S
    ]
    came = np.bincount(projects[known:coming], minlength=n)[there].astype(float)
    return np.column_stack(columns), (at_s - data.created_s[there]) / HOUR_S, came


def ndcg(score: Floats, came: Floats, most: int = 10) -> float:
    """Compare the order of scores with that of the people who came."""
    top, discount = np.argsort(-score, kind="stable")[:most], 1.0 / np.log2(np.arange(2, most + 2))
    best = np.sort(came)[::-1][:most]
    return float((came[top] @ discount[: top.size]) / (best @ discount[: best.size]))


def main() -> None:
    """Fit and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    data = load_dataset(parser.parse_args().folder)
    seconds = data.log.at_s
    times = np.arange(seconds[0] + 8 * DAY_S, seconds[-1] - DAY_S, STEP_S)
    cut = seconds[0] + 0.6 * (seconds[-1] - seconds[0])
    listed = [(at, moment(data, at)) for at in times]
    listed = [(at, one) for at, one in listed if (one[2] > 0).sum() >= LEAST_PROJECTS]
    early = [one for at, one in listed if at < cut - DAY_S]
    late = [one for at, one in listed if at >= cut]
    fitted = fit(early)
    plain = Constants((0.0, 1.0, 0.0, 0.0), 0.6, oldest_h=1e9)
    ranked = {
        "people, 6 h": [mixed(one[0], plain) for one in late],
        "people, 6 h, gravity .6": [ours(one[0], one[1], plain) for one in late],
        "as shipped": [ours(one[0], one[1], CONSTANTS[Window.DAY]) for one in late],
        "as shipped, gravity 1": [ours(one[0], one[1], replace(CONSTANTS[Window.DAY], gravity=1.0)) for one in late],
        "fitted": [ours(one[0], one[1], fitted) for one in late],
    }
    print(f"{len(early)} moments to fit, {len(late)} to measure; fitted: {fitted}")
    reference = np.array([ndcg(s, m[2]) for s, m in zip(ranked["people, 6 h, gravity .6"], late, strict=True)])
    for name, scores in ranked.items():
        found = np.array([ndcg(score, one[2]) for score, one in zip(scores, late, strict=True)])
        error, gain = found.std() / np.sqrt(found.size), found - reference
        print(
            f"{name:<26} {found.mean():.3f} ± {error:.3f}   "
            f"against gravity .6: {gain.mean():+.4f} ± {gain.std() / np.sqrt(gain.size):.4f}"
        )


if __name__ == "__main__":
    main()
