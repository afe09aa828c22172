"""The texts that are embedded, word for word: a change here asks for a rebuild of every index."""

from db.synchronization.embedding_texts import ProfileText, ProjectText, ToolText, profile_text, project_text, tool_text


def test_a_project_says_what_it_is_then_its_terms():
    project = ProjectText(
        title="Bird feeder",
        description="A feeder that counts birds.",
        topics=("birds", "diy"),
        tools=("Raspberry Pi", "Python"),
        categories=("Hardware", "Nature"),
    )
    assert project_text(project) == (
        "Bird feeder A feeder that counts birds. birds diy Tools: Raspberry Pi, Python Categories: Hardware, Nature"
    )


def test_a_reddit_thread_adds_its_subreddit_and_the_first_500_characters_of_its_text():
    project = ProjectText(title="Look", tools=("Python",), subreddit="birding", thread_text="x" * 499 + "yz")
    assert project_text(project) == "Look Tools: Python Subreddit: r/birding " + "x" * 499 + "y"


def test_a_thread_without_text_adds_its_subreddit_only():
    assert project_text(ProjectText(title="Look", subreddit="birding")) == "Look Subreddit: r/birding"


def test_what_is_no_thread_says_nothing_of_one():
    assert project_text(ProjectText(title="Look", thread_text="not said")) == "Look"


def test_a_project_with_a_title_only_is_its_title():
    assert project_text(ProjectText(title="Look")) == "Look"


def test_a_profile_says_its_tags_with_confidence_then_who_it_is_and_what_it_did():
    profile = ProfileText(
        tools=(("Python", 1.0), ("Rust", 0.25)),
        interests=(("Nature", 0.875),),
        bio="I watch birds.",
        activity=("view", "like"),
        tier="gold",
    )
    assert profile_text(profile) == (
        "Preferred tools: Python (1.0), Rust (0.2) Interests: Nature (0.9) Bio: I watch birds. "
        "Recent activity: view, like Engagement tier: gold"
    )


def test_a_profile_leaves_out_what_it_does_not_know():
    assert profile_text(ProfileText(bio="I watch birds.")) == "Bio: I watch birds."
    assert profile_text(ProfileText()) == ""


def test_a_tool_says_its_name_first_and_its_tags_last():
    tool = ToolText(
        name="Hammer",
        description="Drives nails.",
        tagline="Hit it",
        category="Hand tools",
        tags=("steel", "wood"),
    )
    assert tool_text(tool) == "Hammer Drives nails. Hit it Category: Hand tools Tags: steel, wood"


def test_a_tool_without_more_is_its_name():
    assert tool_text(ToolText(name="Hammer")) == "Hammer"
