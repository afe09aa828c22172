"""How long a feed waits for what it can do without."""

from dataclasses import dataclass

from scoring import weights


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds.

    Attributes
    ----------
    source_s
        For each source of candidates.
    vectors_s
        For each call to the vector store while ranking. Three come one after another, and after the first that failed
        none is asked, so that a store in a black hole costs one of these, and one more if reasons are asked for.
    search_s
        For the embedding model, and then for the index, when somebody searches.
    counterfactual_s
        For all that one request asks of what would remove projects from a page.
    """

    source_s: float = weights.SOURCE_DEADLINE_S
    vectors_s: float = weights.VECTORS_DEADLINE_S
    search_s: float = weights.SEARCH_DEADLINE_S
    counterfactual_s: float = weights.COUNTERFACTUAL_S


SERVING = Deadlines()
"""What a client waits for."""

PATIENT = Deadlines(60.0, 60.0, 60.0, 60.0)
"""For evaluation and tests, which want the whole ranking on a machine however busy."""
