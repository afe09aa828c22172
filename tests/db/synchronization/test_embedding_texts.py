"""The texts that are embedded, word for word: a change here requires a rebuild of every index."""

from db.synchronization.embedding_texts import profile_text, project_text, tool_text


def test_a_project_has_its_own_words_then_its_terms():
    text = project_text(
        "Bird feeder",
        "A feeder that counts birds.",
        topics=("birds", "diy"),
        tools=("Raspberry Pi", "Python"),
        categories=("Hardware", "Nature"),
    )
    assert text == (
        "Bird feeder A feeder that counts birds. birds diy Tools: Raspberry Pi, Python Categories: Hardware, Nature"
    )


def test_a_reddit_thread_adds_its_subreddit_and_the_first_500_characters_of_its_text():
    text = project_text("Look", tools=("Python",), subreddit="birding", thread_text="x" * 499 + "yz")
    assert text == "Look Tools: Python Subreddit: r/birding " + "x" * 499 + "y"


def test_a_thread_without_text_adds_its_subreddit_only():
    assert project_text("Look", subreddit="birding") == "Look Subreddit: r/birding"


def test_a_project_without_subreddit_adds_no_thread():
    assert project_text("Look", thread_text="not included") == "Look"


def test_a_project_with_a_title_only_is_its_title():
    assert project_text("Look") == "Look"


def test_a_profile_has_its_tags_with_confidence_then_its_bio_and_activity():
    text = profile_text(
        tools=(("Python", 1.0), ("Rust", 0.25)),
        interests=(("Nature", 0.875),),
        bio="I watch birds.",
        activity=("view", "like"),
        tier="gold",
    )
    assert text == (
        "Preferred tools: Python (1.0), Rust (0.2) Interests: Nature (0.9) Bio: I watch birds. "
        "Recent activity: view, like Engagement tier: gold"
    )


def test_a_profile_omits_what_is_unknown():
    assert profile_text(bio="I watch birds.") == "Bio: I watch birds."
    assert profile_text() == ""


def test_a_tool_has_its_name_first_and_its_tags_last():
    text = tool_text("Hammer", "Drives nails.", "Hit it", "Hand tools", ("steel", "wood"))
    assert text == "Hammer Drives nails. Hit it Category: Hand tools Tags: steel, wood"


def test_a_tool_with_a_name_only_is_its_name():
    assert tool_text("Hammer") == "Hammer"
