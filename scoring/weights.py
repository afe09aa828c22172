"""Every tunable of the ranking, once: value, unit, meaning, reason.

A value here is a default that serves until `explore train` (or an operator) finds a better one for the installation.
"""

from enum import StrEnum


class Signal(StrEnum):
    """What a score is made of. The value is the name under which a contribution is stored and explained."""

    VECTOR_SIMILARITY = "vector_similarity"
    EXPLICIT_PREFERENCES = "explicit_preferences"
    BEHAVIORAL_SIGNALS = "behavioral_signals"
    COLLABORATIVE = "collaborative"
    POPULARITY = "popularity"
    LIKES = "likes"
    FRESHNESS = "freshness"
    CREATED_AT = "created_at"
    QUERY_SIMILARITY = "query_similarity"
    KEYWORD_MATCH = "keyword_match"
    PERSONAL_BOOST = "personal_boost"


PLAN_WEIGHTS: dict[Signal, float] = {
    Signal.VECTOR_SIMILARITY: 0.30,
    Signal.EXPLICIT_PREFERENCES: 0.25,
    Signal.BEHAVIORAL_SIGNALS: 0.25,
    Signal.COLLABORATIVE: 0.15,
    Signal.POPULARITY: 0.05,
}
"""The plan's weights. Its prose says "equal weight"; its code, which counts, says this."""

MILLIONTHS = 1_000_000
"""Contributions are stored as whole millionths, so that their sum is the score to the last digit."""

# --- explicit preferences: what a match with a viewer's tag is worth, times the tag's confidence --------------------
TOOL_MATCH = 0.3
CATEGORY_MATCH = 0.15
TOPIC_MATCH = 0.1
"""The plan gives topics nothing. A topic is free text, so it says less than a category that was chosen from a list."""

# --- behaviour -------------------------------------------------------------------------------------------------------
RECENT_VIEWS_DAYS = 7.0
"""Days for which a view counts as recent."""
VIEWED_PENALTY = 0.3
"""Taken off a project that the viewer has seen recently."""
LIKED_PENALTY = 0.2
"""Taken off a project that the viewer likes already: it has had its effect."""
TOOL_AFFINITY_STEP = 0.05
"""Given for each recently viewed project that shares a tool, for each such tool."""
TOOL_AFFINITY_MOST = 0.15
"""The most that one tool can give."""
BEHAVIOR_LEAST, BEHAVIOR_MOST = -0.5, 1.0
"""The signal's range."""

# --- collaboration ---------------------------------------------------------------------------------------------------
NEIGHBOURS = 30
"""People whose likes count as "people like you"."""
SHARED_TAGS_LEAST = 2
"""Tags that two people must share to be neighbours."""
LIKES_FOR_FULL_COLLABORATION = 10
"""Neighbours who like a project until the signal is full."""
PEOPLE_FLOOR = 5
"""Fewer neighbours than this count as none, so that no number anywhere tells what one person did."""

# --- popularity ------------------------------------------------------------------------------------------------------
LIKES_FOR_FULL_POPULARITY = 100
"""Likes until the signal is full."""
FRESHNESS_HALF_LIFE_DAYS = 30.0
"""Breaks ties between equally liked projects in the popular feed."""
FRESHNESS_IN_LIKES = 0.999
"""What a brand-new project's freshness is worth in the popular feed: always under one like."""

# --- profile ---------------------------------------------------------------------------------------------------------
RECENT_ENGAGEMENT = 200
"""The viewer's latest projects that shape the profile."""
PROFILE_VECTOR_PROJECTS = 30
"""Of those, how many move the profile's vector."""
OWN_HISTORY_HALF_LIFE_DAYS = 60.0
"""Half-life of the viewer's own history (findings: 60 days for one's own, 3 for the neighbours')."""
PROFILE_TEXT_SHARE = 0.5
"""Share of the stated text in the profile's vector; the rest is what the viewer touched."""

# --- candidates: how many each source may bring ----------------------------------------------------------------------
CANDIDATES_NEAR = 200
CANDIDATES_COLLABORATIVE = 200
CANDIDATES_TAGS = 200
CANDIDATES_TRENDING = 100
CANDIDATES_NEWEST = 100
CANDIDATES_POPULAR = 100
"""Together at most 900, about 500-750 different ones: the union finds .97 of what the nearest 200 alone find .11 of."""
SOURCE_DEADLINE_S = 1.0
"""A source that takes longer is left out of this ranking, and the feed says so."""

# --- diversity -------------------------------------------------------------------------------------------------------
DIVERSITY_DEPTH = 300
"""Ranks that are spread out; nobody compares neighbours further down."""
DIVERSITY_WINDOW = 30
"""Ranks that count as one page."""
SAME_OWNER_MOST = 3
SAME_CATEGORY_MOST = 8
"""The most that one page shows of an owner and of a category while others are left."""
DIVERSITY_STRENGTH = 0.02
"""Score taken off for each unit of likeness to what stands on the page already: the weight of 40 likes."""
LIKENESS_OF_OWNER, LIKENESS_OF_CATEGORY, LIKENESS_OF_TOOL = 1.0, 0.5, 0.25
"""How alike one shared owner, category or tool makes two projects."""

# --- snapshots -------------------------------------------------------------------------------------------------------
FRESH_S = 60.0
"""A first page comes from a stored ranking no older than this."""
POPULAR_FRESH_S = 300.0
DEGRADED_FRESH_S = 5.0
"""A ranking made while a store was away is not kept long."""
KEPT_S = 1_800.0
"""A stored ranking lives this long from its last use, so that cursors hold."""
STORED_RANKS = 1_000
"""Ranks stored with their contributions; the rest of the catalogue follows, newest first."""
LARGEST_PAGE = 100

# --- search ----------------------------------------------------------------------------------------------------------
SEARCH_ALPHA = 0.7
"""Share of meaning in a hybrid score; the rest is words. The plan's value."""
SEARCH_HITS = 100
"""Ranks of a search. Each leg of the fusion looks at its best 100 anyway; nobody reads further."""
SEARCH_FRESH_S = 180.0
QUERY_MOST = 1_000
"""Characters of the longest query: a paragraph. Longer ones are pasted by mistake or by an attacker."""
SEARCH_BOOST = 0.1
"""What full likeness to the viewer's profile adds to a search score of at most 1, if the viewer asks for it."""
SEARCH_DEADLINE_S = 0.8
"""A search must answer within a second even when the index is away, so it waits no longer than this for it."""
SIMILAR_HITS = 100
SIMILAR_FRESH_S = 300.0

# --- reasons ---------------------------------------------------------------------------------------------------------
SIMILAR_LEAST = 0.35
"""Cosine from which "similar to what you liked" is said. Two random demo projects have .12 in WordLlama's space."""
FRESH_DAYS = 7.0
"""Age up to which "new" is a reason."""
