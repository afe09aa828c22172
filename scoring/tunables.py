"""Tunable numbers of the ranking as it serves: value, unit, meaning and reason of each, defined once."""

from datetime import timedelta

FIRST_PAGE_SIZE = 30  # ranks of the first page that counterfactuals and previews compare

# --- explicit preferences: value of a match, times the interest's confidence -----------------------------------------
TOOL_MATCH = 0.3
CATEGORY_MATCH = 0.15
TOPIC_MATCH = 0.1
"""The specification gives topics no weight. A topic is free text, so it counts less than a category of the catalog."""

# --- behavior -------------------------------------------------------------------------------------------------------
RECENT_VIEWS_DAYS = 7.0  # age up to which a view counts as recent
VIEWED_PENALTY = 0.3  # subtracted for a project that the viewer viewed recently
LIKED_PENALTY = 0.2  # subtracted for a project that the viewer likes already
TOOL_AFFINITY_STEP = 0.05  # added for each recently viewed project that shares a tool
MAX_TOOL_AFFINITY = 0.15  # upper limit for one tool
MIN_BEHAVIOR, MAX_BEHAVIOR = -0.5, 1.0  # range of the signal

# --- negative feedback ----------------------------------------------------------------------------------------------
IMPRESSION_FATIGUE_DAYS = 7.0  # age up to which an impression counts
MAX_IMPRESSION_FATIGUE = 10  # maximum impressions of a project that count
IMPRESSION_FATIGUE_STEP = 0.02  # subtracted for each impression without a click
MAX_DISMISSALS_READ = 50  # latest dismissals that count
DISMISSALS_FOR_FULL = 3
"""Dismissals of the same term or owner from which the similarity is 1. A single dismissal may have other reasons."""
DISMISSED_PENALTY = 0.25
"""Subtracted for a similarity of 1 to dismissed projects: as much as a full match with interests adds."""

# --- balance between familiar and new -------------------------------------------------------------------------------
MAX_NOVELTY_WEIGHT = 0.3  # weight of novelty at `discovery` 100; at 0 its negative
FAMILIAR_ENGAGEMENTS = 3  # engaged projects with a term from which the term is fully familiar

# --- collaborative --------------------------------------------------------------------------------------------------
LIKE_NEIGHBOR_COUNT = 30  # user neighbors whose likes count
MIN_SHARED_INTERESTS = 2  # minimum number of interests or projects that two user neighbors share
LIKES_FOR_FULL_COLLABORATION = 10  # likes by user neighbors at which the signal is full
ANONYMITY_FLOOR = 5  # a count of fewer actors becomes 0, so that it reveals no single actor
MEAN_SIMILARITY_STEP, SIMILARITY_SUM_STEP, ITEM_SIMILARITY_STEP = 0.05, 0.25, 0.02
"""Steps to which values of actors with similar taste are rounded."""

# --- popularity -----------------------------------------------------------------------------------------------------
LIKES_FOR_FULL_POPULARITY = 100  # likes at which the signal is full
FRESHNESS_HALF_LIFE_DAYS = 30.0
FRESHNESS_TIEBREAK = 0.01
"""Weight of freshness in the popular feed. It only breaks ties."""
ALL_TIME_LIKES_WEIGHT = 0.1  # weight of log(1 + all-time likes) in the popular feed, beside log(1 + decayed actors)

# --- profile --------------------------------------------------------------------------------------------------------
PROFILE_ENGAGEMENTS = 200  # latest projects of the viewer's history that form the profile
PROFILE_VECTOR_PROJECTS = 30  # latest projects that form the profile's vector
HISTORY_HALF_LIFE_DAYS = 60.0
"""Half-life of the viewer's own history (measured: 60 days; for interactions of neighbors: 3 days)."""
DISCRIMINATION_PROJECTS = 200  # newest projects with which the similarity of the viewer's own projects is compared
DISCRIMINATION_PRIOR = 0.1
DISCRIMINATION_PRIOR_PROJECTS = 2.0
"""Factor of the vector similarity for a history of one project, and the number of projects from which the history
counts as much as this prior."""
PROFILE_TEXT_SHARE = 0.5  # share of the stated interests in the profile's vector; the history's share is the rest

# --- viewer stages: the specification's thresholds ------------------------------------------------------------------
SUFFICIENT_INTERESTS = 3
SUFFICIENT_INTERACTIONS = 10
SUFFICIENT_LIKES = 5
"""Interests, projects engaged with, projects liked: reaching one of these counts is sufficient data."""

# --- candidates: limit of each source -------------------------------------------------------------------------------
CANDIDATES_NEAR = 200
CANDIDATES_COLLABORATIVE = 200
CANDIDATES_INTERESTS = 200
CANDIDATES_TRENDING = 100
CANDIDATES_NEWEST = 100
CANDIDATES_POPULAR = 100
CANDIDATES_RECENT = 200
CANDIDATES_ITEM_NEIGHBORS = 200
CANDIDATES_SESSION_NEIGHBORS = 100
CANDIDATES_OWNERS = 100
"""All sources together return at most 1,500 projects, usually 500-750 distinct ones, with a recall of .96 of the
final 30 ranks. The 200 nearest vectors alone have a recall of .11."""
RECENT_SOURCE_ENGAGEMENTS = 2_000
"""Number of latest first interactions on the platform in which the source of recent projects counts actors."""
NEIGHBOR_SEEDS = 50  # latest projects of the history whose item neighbors are candidates
SESSION_NEIGHBOR_COUNT = 200
"""Number of session neighbors whose projects are candidates: the neighbors with most shared projects."""
SOURCE_DEADLINE_S = 1.0  # a slower source is left out of the ranking, and the feed is marked degraded
VECTORS_DEADLINE_S = 0.4  # deadline of each call to the vector store

# --- diversity ------------------------------------------------------------------------------------------------------
DIVERSITY_DEPTH = 300  # ranks that are diversified
DIVERSITY_WINDOW = 30  # ranks that count as one page
MAX_SAME_OWNER = 3
MAX_SAME_CATEGORY = 8
"""Maximum number of projects of one owner, and of one category, on a page, unless no other candidates remain."""
DIVERSITY_STRENGTH = 0.02
"""Score subtracted for each unit of similarity to the projects on the page. In the baseline model, 40 likes add as
much."""
OWNER_SIMILARITY, CATEGORY_SIMILARITY, TOOL_SIMILARITY = 1.0, 0.5, 0.25
"""Similarity of two projects for each shared owner, category and tool."""

# --- exploration ----------------------------------------------------------------------------------------------------
EXPLORATION_SHARE = 0.05  # share of For You's ranks for under-exposed projects: one or two on a page of 30
MIN_EXPLORATION_RANK = 3  # number of first ranks that exploration never changes
KNOWN_LIKES = 5  # number of likes from which a project is no longer under-exposed

# --- read projects --------------------------------------------------------------------------------------------------
READ_HIDDEN_DAYS = 7
"""Days for which For You hides a project after the viewer's last engagement with it. Afterwards the project is demoted
behind a page of unread ones. Of the first ten, 7.2 were read before; nearly all of the next choices are unread."""

# --- snapshots ------------------------------------------------------------------------------------------------------
PERSONAL_FRESH_S = 60.0  # age up to which a snapshot serves a first page
POPULAR_FRESH_S = 300.0
DEGRADED_FRESH_S = 5.0
"""Age up to which a snapshot that was made while a store was unavailable serves a first page."""
SNAPSHOT_TTL_S = 1_800.0  # lifetime of a snapshot after its last use, so that its cursors stay valid
RANKING_LOCK_S = 5.0  # longest wait for another request that makes the same ranking
MODEL_FRESH_S = 30.0  # interval at which the active model is read from the database
SNAPSHOT_RANKS = 1_000  # ranks stored with contributions; unranked projects follow, newest first
MAX_PAGE_SIZE = 100

# --- search ---------------------------------------------------------------------------------------------------------
SEARCH_ALPHA = 0.7
"""Share of the vector similarity in a hybrid score; the share of keywords is the rest. From the specification."""
SEARCH_HITS = 100  # ranks of a search; vector and keyword search find 100 projects each
SEARCH_FRESH_S = 1.0
"""Short, so that new projects are found at once. A search costs 33 ms CPU with 100,000 projects."""
MAX_QUERY_LENGTH = 1_000  # maximum characters of a query: a paragraph
SEARCH_BOOST = 0.1
"""Weight of the similarity to the viewer's profile in a personalized search, beside a search score of at most 1."""
SEARCH_DEADLINE_S = 0.6  # so that a search answers within a second even without the index
SIMILAR_HITS = 100
NEWEST_FRESH_S = 1.0  # short, so that new projects are found at once
SIMILAR_FRESH_S = 300.0

# --- trending -------------------------------------------------------------------------------------------------------
TRENDING_FRESH_S = 2.0
MIN_TRENDING_ACTORS = 3.0
"""Trust-weighted actors below which a project does not trend."""
TRENDING_BOOST = 1.0
"""Weight of a full match with the viewer's interests in trending. One matching tool (.3) equals 35 % more actors."""
MAX_BOOST_PLACES = 5  # maximum ranks by which a viewer's interests move a project in trending

# --- reasons --------------------------------------------------------------------------------------------------------
MIN_REASON_SIMILARITY = 0.35
"""Minimum cosine for the reason that two projects are similar. Random demo projects have .12 with WordLlama."""
FRESH_DAYS = 7.0  # age up to which an explanation calls a project new, and exploration regards it as under-exposed

# --- log of served pages --------------------------------------------------------------------------------------------
SAMPLED_CANDIDATES = 40  # candidates logged in addition to a first page: 2 KB with 12 signals

# --- counterfactuals ------------------------------------------------------------------------------------------------
COUNTERFACTUAL_S = 0.3  # time for all counterfactuals of a request; each ranks the page up to seven times
COUNTERFACTUAL_CAUSES = 3  # likeliest causes of a project that are tried

# --- behavior of other actors ---------------------------------------------------------------------------------------
DECAY_CUTOFF = 30.0  # half-lives after which an event is ignored: a billionth of it is left
RECENT_INTERACTION_DAYS = 14.0
"""Age up to which others' interactions count. At a half-life of 3 days, an older interaction would count less than 4
%."""
RELEASE_WINDOW_DAYS = RECENT_INTERACTION_DAYS + 7.0
"""Age of the first interactions from which those released in the last `RECENT_INTERACTION_DAYS` are known: their blocks
begin with a week (`scoring.mathematics.batched_release`)."""
USER_NEIGHBOR_COUNT = 100  # length of the user-kNN lists of the evaluation
ACTIVITY_FRESH_S = 60.0  # lifetime of the cached platform activity, which all viewers share
SESSION_GAP_H = 1.0  # hours: an interaction of at least this age belongs to an earlier session
RATE_PRIOR = 10.0  # prior of the actor rate: interactions on the platform
FACTOR_SHRINKAGE = 2.0  # number of imaginary actors with similarity 0 in each mean of similarities
MIN_CLUSTER_SIZE = 10
"""Minimum number of members of a taste cluster: twice the floor. NDCG@10 is .002 higher with 5 and .003 lower with
40."""
RECENT_FACTORS_HALF_LIFE_H = 12.0
SESSION_NEIGHBORS_HALF_LIFE_H = 72.0
"""Half-lives of the interactions of similar actors and of session neighbors."""
COLLABORATIVE_TRAINING_AT = timedelta(hours=1)  # time of day (UTC) of the training of factors and neighbor lists
FACTOR_COUNT = 40  # number of latent factors; they add .017 NDCG@10 on feed requests
MAX_RECENT_INTERACTIONS = 20_000
"""Interactions read for one ranking, the latest first; 700 candidates of one platform have 9,000 in two weeks."""
SESSION_PROJECTS = 5
"""Latest projects of the history; actors who engaged with one within `SESSION_NEIGHBOR_DAYS` are session neighbors."""
SESSION_NEIGHBOR_DAYS = 3.0
ITEM_NEIGHBOR_COUNT = 200
ITEM_SHRINKAGE = 10.0
"""Length of an item-kNN list, and the shrinkage of its cosine."""

# --- generated onboarding questions ---------------------------------------------------------------------------------
MAX_OPTIONS = 12  # options of one question: three rows of four
MIN_OPTIONS = 3  # tools or categories below which the question is not asked
MIN_OPTION_PROJECTS = 3  # public projects that an option needs
OPTIONS_CONSIDERED = 300  # most common terms that options are chosen from
OPTION_RETENTION_SHARE = 0.9  # the current options stay if they have this share of the best possible gain
MAX_CHOICES = 6  # options that a viewer may choose
MAX_USE_CASES = 3
MIN_AUDIENCE_LIKES = 3
"""Number of likes from which an actor belongs to the audience for which options are chosen."""
MIN_AUDIENCE = 50  # size of the audience below which options are chosen by their coverage of the catalog
REACHED_AUDIENCE_WEIGHT = 0.5  # weight of an actor whom an earlier option reaches

# --- personalization status -----------------------------------------------------------------------------------------
QUALITY_SHARES = {"interests": 0.25, "history": 0.35, "likes": 0.25, "recency": 0.15}
"""Greatest share of each part of a profile's quality."""
QUALITY_HALF_LIFE_DAYS = 30.0  # half-life of the recency part

# --- cold start -----------------------------------------------------------------------------------------------------
ANSWER_MATCH_SCORES = (0.0, 0.3, 0.45, 0.55, 0.6)
"""Score of a project with 0, 1, 2, 3, 4 or more of the chosen tools and categories; each further match adds less."""
ANSWER_SIMILARITY = 1.0  # weight of the similarity to the answers' text: a cosine of .3 equals one match


# --- learned interests ----------------------------------------------------------------------------------------------
MAX_LEARNED_CONFIDENCE = 0.5  # upper limit of a learned interest's confidence; a stated interest has 1
LEARNED_HALF_CONFIDENCE = 5.0
"""Decayed views (a like counts two) at which a learned interest has half of the greatest confidence."""
MIN_LEARNED_PROJECTS = 3  # minimum number of projects with a term that the actor engaged with
MIN_LEARNED_LIFT = 1.5  # minimum ratio of the term's share in the history to its share in the catalog
MIN_LEARNED_CONFIDENCE = 0.1  # confidence below which a learned interest is dropped
MAX_LEARNED_INTERESTS = 10  # learned interests of one actor, by highest confidence
