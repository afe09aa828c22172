"""Every tunable of the ranking, once: value, unit, meaning, reason.

A value here is a default that serves until `explore train` (or an operator) finds a better one for the installation.
"""

from enum import StrEnum


class Signal(StrEnum):
    """What a score is made of. The value is the name under which a contribution is stored and explained."""

    VECTOR_SIMILARITY = "vector_similarity"
    EXPLICIT_PREFERENCES = "explicit_preferences"
    BEHAVIORAL_SIGNALS = "behavioral_signals"
    ANSWER_MATCHES = "answer_matches"
    COLLABORATIVE = "collaborative"
    POPULARITY = "popularity"
    LIKES = "likes"
    FRESHNESS = "freshness"
    CREATED_AT = "created_at"
    QUERY_SIMILARITY = "query_similarity"
    KEYWORD_MATCH = "keyword_match"
    PERSONAL_BOOST = "personal_boost"
    PROJECT_SIMILARITY = "project_similarity"
    AGE = "age"
    ACTORS_1H = "actors_1h"
    ACTORS_6H = "actors_6h"
    ACTORS_3D = "actors_3d"
    ACTORS_14D = "actors_14d"
    RECENT_ACTORS = "recent_actors"
    ACTOR_RATE = "actor_rate"
    EVENTS_SINCE_CREATION = "events_since_creation"
    USER_FACTORS_MEAN = "user_factors_mean"
    USER_FACTORS_SUM = "user_factors_sum"
    USER_FACTORS_RECENT = "user_factors_recent"
    ACTORS_15M = "actors_15m"
    ACTORS_1D = "actors_1d"
    NEW_SINCE_VISIT = "new_since_visit"
    TASTE_CLUSTER_MEAN = "taste_cluster_mean"
    TASTE_CLUSTER_SUM = "taste_cluster_sum"
    TASTE_CLUSTER_RECENT = "taste_cluster_recent"
    ITEM_FACTORS = "item_factors"
    OWNER_FACTORS = "owner_factors"
    SAME_OWNER = "same_owner"
    SESSION_NEIGHBORS = "session_neighbors"
    ITEM_NEIGHBORS = "item_neighbors"
    ITEM_NEIGHBORS_MEAN = "item_neighbors_mean"
    RP3BETA = "rp3beta"
    EASE = "ease"
    USER_NEIGHBORS = "user_neighbors"
    TRENDING_HOUR = "trending_hour"
    TRENDING_DAY = "trending_day"
    TRENDING_WEEK = "trending_week"
    GRAVITY = "gravity"
    RECENT_POPULARITY = "recent_popularity"
    NOVELTY = "novelty"
    IMPRESSION_FATIGUE = "impression_fatigue"
    SIMILAR_TO_DISMISSED = "similar_to_dismissed"


BASELINE_WEIGHTS: dict[Signal, float] = {
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

# --- behavior -------------------------------------------------------------------------------------------------------
RECENT_VIEWS_DAYS = 7.0
"""Days for which a view counts as recent."""
VIEWED_PENALTY = 0.3
"""Taken off a project that the viewer has seen recently."""
LIKED_PENALTY = 0.2
"""Taken off a project that the viewer likes already: it has had its effect."""
TOOL_AFFINITY_STEP = 0.05
"""Given for each recently viewed project that shares a tool, for each such tool."""
MAX_TOOL_AFFINITY = 0.15
"""The most that one tool can give."""
MIN_BEHAVIOR, MAX_BEHAVIOR = -0.5, 1.0
"""The signal's range."""

# --- what was passed by ---------------------------------------------------------------------------------------------
IMPRESSION_FATIGUE_DAYS = 7.0
"""Days for which it counts that a card was seen."""
MAX_IMPRESSION_FATIGUE = 10
"""Times seen beyond which nothing more is to be learned."""
IMPRESSION_FATIGUE_STEP = 0.02
"""Taken off for each time that the viewer saw a project's card and did not come."""
MAX_DISMISSALS_READ = 50
"""Dismissals that are looked at, the latest."""
DISMISSALS_FOR_FULL = 3
"""Dismissals of the same term or owner that make the likeness full: one may be for a reason of its own."""
DISMISSED_PENALTY = 0.25
"""Taken off a project that is wholly like what the viewer dismisses: what a full match with interests gives."""

# --- a viewer's own balance between familiar and new -----------------------------------------------------------------
MAX_NOVELTY_WEIGHT = 0.3
"""What being wholly new to the viewer adds at a balance of 100, and takes off at 0: as much as full likeness."""
FAMILIAR_ENGAGEMENTS = 3
"""Touched projects that carry a term until it is wholly familiar."""

# --- collaboration ---------------------------------------------------------------------------------------------------
ITEM_NEIGHBORS = 30
"""People whose likes count as "people like you"."""
MIN_SHARED_TAGS = 2
"""Tags that two people must share to be neighbors."""
LIKES_FOR_FULL_COLLABORATION = 10
"""Neighbors who like a project until the signal is full."""
ANONYMITY_FLOOR = 5
"""Fewer neighbors than this count as none, so that no number anywhere tells what one person did."""

# --- popularity ------------------------------------------------------------------------------------------------------
LIKES_FOR_FULL_POPULARITY = 100
"""Likes until the signal is full."""
FRESHNESS_HALF_LIFE_DAYS = 30.0
"""Breaks ties between equally liked projects in the popular feed."""
FRESHNESS_TIEBREAK = 0.01
"""What a brand-new project's freshness is worth in the popular feed: a hundredth of a person."""
ALL_TIME_LIKES_WEIGHT = 0.1
"""What the logarithm of all-time likes is worth beside that of the people of the last weeks: 1,000 likes are as one."""

# --- profile ---------------------------------------------------------------------------------------------------------
PROFILE_ENGAGEMENTS = 200
"""The viewer's latest projects that shape the profile."""
PROFILE_VECTOR_PROJECTS = 30
"""Of those, how many move the profile's vector."""
HISTORY_HALF_LIFE_DAYS = 60.0
"""Half-life of the viewer's own history (findings: 60 days for one's own, 3 for the neighbors')."""
PROFILE_TEXT_SHARE = 0.5
"""Share of the stated text in the profile's vector; the rest is what the viewer touched."""

# --- stages: from where on a viewer is known (the plan's thresholds) ------------------------------------------------
ENOUGH_TAGS = 3
ENOUGH_INTERACTIONS = 10
ENOUGH_LIKES = 5
"""Interests, projects touched, projects liked: any one of them is enough data to be personal."""

# --- candidates: how many each source may bring ----------------------------------------------------------------------
CANDIDATES_NEAR = 200
CANDIDATES_COLLABORATIVE = 200
CANDIDATES_TAGS = 200
CANDIDATES_TRENDING = 100
CANDIDATES_NEWEST = 100
CANDIDATES_POPULAR = 100
CANDIDATES_RECENT = 200
CANDIDATES_ITEM_NEIGHBORS = 200
CANDIDATES_SESSION_NEIGHBORS = 100
CANDIDATES_OWNERS = 100
"""Together at most 1,500, mostly 500-750 different ones: the union finds .96 of what the nearest 200 find .11 of."""
RECENT_SOURCE_ENGAGEMENTS = 2_000
"""The last first touches of anything among which "lately" counts people."""
NEIGHBOR_SEEDS = 50
"""The viewer's latest projects whose neighbors are candidates."""
SESSION_NEIGHBOR_COUNT = 200
"""People who touched the viewer's last projects, those with most in common first, whose deeds are candidates."""
SOURCE_DEADLINE_S = 1.0
"""A source that takes longer is left out of this ranking, and the feed says so."""
VECTORS_DEADLINE_S = 0.4
"""The same for each call to the vector store."""

# --- diversity -------------------------------------------------------------------------------------------------------
DIVERSITY_DEPTH = 300
"""Ranks that are spread out; nobody compares neighbors further down."""
DIVERSITY_WINDOW = 30
"""Ranks that count as one page."""
MAX_SAME_OWNER = 3
MAX_SAME_CATEGORY = 8
"""The most that one page shows of an owner and of a category while others are left."""
DIVERSITY_STRENGTH = 0.02
"""Score taken off for each unit of likeness to what stands on the page already: the weight of 40 likes."""
OWNER_SIMILARITY, CATEGORY_SIMILARITY, TOOL_SIMILARITY = 1.0, 0.5, 0.25
"""How alike one shared owner, category or tool makes two projects."""

# --- exploration -----------------------------------------------------------------------------------------------------
EXPLORATION_SHARE = 0.05
"""Share of For You's places that goes to projects of which too little is known: one or two of a page of 30."""
MIN_EXPLORATION_RANK = 3
"""The first places are never given away: they are what a visitor judges the page by."""
KNOWN_LIKES = 5
"""Likes from which a project counts as known."""

# --- snapshots -------------------------------------------------------------------------------------------------------
PERSONAL_FRESH_S = 60.0
"""A first page comes from a stored ranking no older than this."""
POPULAR_FRESH_S = 300.0
DEGRADED_FRESH_S = 5.0
"""A ranking made while a store was away is not kept long."""
SNAPSHOT_TTL_S = 1_800.0
"""A stored ranking lives this long from its last use, so that cursors hold."""
RANKING_LOCK_S = 5.0
"""Others wait so long for whoever makes a ranking: far longer than making takes with every store at its deadline."""
MODEL_FRESH_S = 30.0
"""The model in service is read from the truth this often."""
SNAPSHOT_RANKS = 1_000
"""Ranks stored with their contributions; the rest of the catalog follows, newest first."""
MAX_PAGE_SIZE = 100

# --- search ----------------------------------------------------------------------------------------------------------
SEARCH_ALPHA = 0.7
"""Share of meaning in a hybrid score; the rest is words. The plan's value."""
SEARCH_HITS = 100
"""Ranks of a search. Each leg of the fusion looks at its best 100 anyway; nobody reads further."""
SEARCH_FRESH_S = 1.0
"""What is published is to be found at once, also by who has just searched for it in vain. Cursors hold all the same;
asked for by a thousand people, a search is still made once in a second: 33 ms of CPU among 100,000 projects."""
MAX_QUERY_LENGTH = 1_000
"""Characters of the longest query: a paragraph. Longer ones are pasted by mistake or by an attacker."""
SEARCH_BOOST = 0.1
"""What full likeness to the viewer's profile adds to a search score of at most 1, if the viewer asks for it."""
SEARCH_DEADLINE_S = 0.6
"""A search must answer within a second even when the index is away, so it waits no longer than this for it."""
SIMILAR_HITS = 100
SIMILAR_FRESH_S = 300.0

# --- trending --------------------------------------------------------------------------------------------------------
TRENDING_FRESH_S = 2.0
"""An event shows on the next first page after this."""
MIN_TRENDING_ACTORS = 3.0
"""People, each by the trust in them, below whom nothing trends: two friends are no trend."""
TRENDING_BOOST = 1.0
"""What a full match with the viewer's interests adds to a trending score; one tool is .3 of it: as if 35 % more."""
MAX_BOOST_PLACES = 5
"""Nobody's interests move a project further than this: everybody talks about the same trends."""

# --- reasons ---------------------------------------------------------------------------------------------------------
MIN_REASON_SIMILARITY = 0.35
"""Cosine from which "similar to what you liked" is said. Two random demo projects have .12 in WordLlama's space."""
FRESH_DAYS = 7.0
"""Age up to which "new" is a reason."""

# --- what is learned from ---------------------------------------------------------------------------------------------
SAMPLED_CANDIDATES = 40
"""Candidates logged with a first page although it does not show them: 2 KB with 12 signals."""

COUNTERFACTUAL_S = 0.3
"""Finding what would remove a project ranks the page again up to seven times; nobody waits longer for a tooltip."""
COUNTERFACTUAL_CAUSES = 3
"""Causes that are tried: more are no answer that anybody would act on."""

# --- behavior of other people ---------------------------------------------------------------------------------------
ACTOR_HALF_LIVES_H = (1.0, 6.0, 72.0, 336.0)
"""Half-lives at which distinct people are counted: 1 h, 6 h, 3 days, 14 days."""
DECAY_CUTOFF = 20.0
"""Half-lives after which an event counts nothing: a millionth."""
RECENT_INTERACTION_DAYS = 14.0
"""What similar people did longer ago is left out: at a half-life of 3 days it counts 4 %."""
USER_NEIGHBOR_COUNT = 100
"""People in the list of the most alike (user-kNN). In a timed feed worth nothing beside taste; on static data much."""
ACTIVITY_FRESH_S = 60.0
"""How busy the platform was in the last days is counted once in so many seconds, for everybody."""
SESSION_GAP_H = 1.0
"""A touch at least this long ago belongs to an earlier visit."""
RATE_PRIOR = 10.0
"""Deeds anywhere that go by until a project's share of them says something."""
FACTOR_SHRINKAGE = 2.0
"""People of no known taste that are added to those who touched a project, so that one twin is no crowd of twins."""
MIN_CLUSTER_SIZE = 10
"""People in the smallest circle of like-minded people: twice the floor. 5 would be worth .002 more, 40 .003 less."""
RECENT_FACTORS_HALF_LIFE_H = 12.0
SESSION_NEIGHBORS_HALF_LIFE_H = 72.0
"""Half-lives of what people of like taste, and the company of the last touches, did."""
FACTOR_COUNT = 40
"""Numbers in a taste. Nightly latent factors of who touched what; 40 are worth .017 NDCG on feed requests."""
MAX_RECENT_INTERACTIONS = 20_000
"""Deeds read for one ranking, the latest first: 700 candidates have 9,000 in two weeks on an internal platform."""
SESSION_PROJECTS = 5
"""The viewer's last projects; who touched one of them in the last `SESSION_DAYS` is company."""
SESSION_DAYS = 3.0
ITEM_NEIGHBOR_COUNT = 200
ITEM_SHRINKAGE = 10.0
"""Length of an item's neighbor list, and what is added to the counts in its likeness (item-kNN)."""

# --- the quiz that is made from the catalog ------------------------------------------------------------------------
MAX_OPTIONS = 12
"""Options of one question: three rows of four, seen at a glance."""
MIN_OPTIONS = 3
"""With fewer tools or categories than this there is nothing to choose from, and the question is not asked."""
MIN_OPTION_PROJECTS = 3
"""Public projects that a tool or category needs to be an option: who chooses it shall find something."""
OPTIONS_CONSIDERED = 300
"""The most common terms that options are chosen from."""
OPTION_RETENTION_SHARE = 0.9
"""Options that are asked already stay while they gain this share of what the best would."""
MAX_CHOICES = 6
"""Of twelve options: who chooses all of them has said nothing."""
MAX_USE_CASES = 3
MIN_AUDIENCE_LIKES = 3
"""Likes from which on somebody's taste counts."""
MIN_AUDIENCE = 50
"""People with that many likes; with fewer, options are chosen by how much of the catalog they cover."""
REACHED_AUDIENCE_WEIGHT = 0.5
"""What somebody counts for the next option who is told by one chosen before."""

# --- how well a viewer is known ---------------------------------------------------------------------------------------
QUALITY_SHARES = {"interests": 0.25, "history": 0.35, "likes": 0.25, "recency": 0.15}
"""The most that each part adds to the quality of a profile: what was done says more than what was said."""
QUALITY_HALF_LIFE_DAYS = 30.0
"""A profile that nothing was added to for a month is half as fresh."""

# --- cold start: a viewer who has answered the quiz and done nothing yet ---------------------------------------------
ANSWER_MATCH_SCORES = (0.0, 0.3, 0.45, 0.55, 0.6)
"""What a project is worth that carries 0, 1, 2, 3, 4 or more of the chosen tools and categories. Each further one adds
less, so that a page does not begin with the few that carry everything."""
ANSWER_SIMILARITY = 0.6
"""What full likeness to the answers' text is worth: a project that is near, and carries none of them, comes level with
one match at a cosine of .5."""
ANSWER_POPULARITY = 0.05
ANSWER_FRESHNESS = 0.05
"""Parts what is equal otherwise: of two that match alike, the one that more people like, or the newer."""
UNKNOWN_VIEWER_DIVERSITY = 0.15
"""Score taken off for each unit of likeness on the page of somebody unknown, whose scores are logarithms of people: two
projects of one category stand apart as if the second had 7 % fewer people. On the demo at most 4 of 30 share a category
(6 without), the first ten are of 10 categories (8), and 25 of the 30 most popular are still on the page."""

# --- interests that are learned --------------------------------------------------------------------------------------
MAX_LEARNED_CONFIDENCE = 0.5
"""No learned interest is surer than this; what a viewer states is 1."""
LEARNED_HALF_CONFIDENCE = 5.0
"""Views (a like is two), halved every 60 days, at which a learned interest is half as sure as it can be."""
MIN_LEARNED_PROJECTS = 3
"""Projects of a term that somebody must have touched: two are a coincidence."""
MIN_LEARNED_LIFT = 1.5
"""How many times as often as the catalog offers it somebody must have touched a term."""
MIN_LEARNED_CONFIDENCE = 0.1
"""A confidence below this is forgotten."""
MAX_LEARNED_INTERESTS = 10
"""Learned interests of one viewer, the surest: a list that is read and edited."""
