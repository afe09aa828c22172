"""Token estimates: additive, at least one, and truncation to them."""

from hypothesis import example, given
from hypothesis import strategies as st

from db.embeddings.tokens import estimate_tokens, truncate, truncate_bytes

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


def test_prose_is_estimated_by_hand() -> None:
    assert estimate_tokens("") == 1
    assert estimate_tokens("abc") == 1
    assert estimate_tokens("abcd") == 2  # 4/3, rounded up
    assert estimate_tokens("ä") == 1  # 2 bytes
    assert estimate_tokens("日本語") == 5  # 9 bytes, 4.5
    assert estimate_tokens("🙂🙂") == 4  # 8 bytes


def test_a_cut_keeps_what_fits_and_no_less() -> None:
    assert truncate("a" * 100, 10) == "a" * 30
    assert truncate("日" * 100, 10) == "日" * 6
    assert truncate_bytes("日" * 100, 10) == "日" * 3


@given(TEXTS, st.integers(1, 50))
@example("0\x80\x80\x800\U00010000\U00010000\U000100000", 10)  # thirds added as floats came to more than 10
def test_a_cut_is_the_longest_beginning_within_the_estimate(text: str, tokens: int) -> None:
    kept = truncate(text, tokens)
    assert text.startswith(kept)
    assert estimate_tokens(kept) <= tokens
    assert kept == text or estimate_tokens(text[: len(kept) + 1]) > tokens


@given(TEXTS, st.integers(1, 50))
def test_a_cut_for_certain_has_no_more_bytes_than_tokens(text: str, tokens: int) -> None:
    kept = truncate_bytes(text, tokens)
    assert text.startswith(kept)
    assert len(kept.encode()) <= tokens
