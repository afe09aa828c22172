"""The estimate of tokens: additive, never below one, and a cut that keeps within it."""

from hypothesis import example, given
from hypothesis import strategies as st

from db.embeddings.tokens import cut, cut_for_certain, estimate

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


def test_prose_is_estimated_by_hand() -> None:
    assert estimate("") == 1
    assert estimate("abc") == 1
    assert estimate("abcd") == 2  # 4/3, rounded up
    assert estimate("ä") == 1  # 2 bytes
    assert estimate("日本語") == 5  # 9 bytes, 4.5
    assert estimate("🙂🙂") == 4  # 8 bytes


def test_a_cut_keeps_what_fits_and_no_less() -> None:
    assert cut("a" * 100, 10) == "a" * 30
    assert cut("日" * 100, 10) == "日" * 6
    assert cut_for_certain("日" * 100, 10) == "日" * 3


@given(TEXTS, st.integers(1, 50))
@example("0\x80\x80\x800\U00010000\U00010000\U000100000", 10)  # thirds added as floats came to more than 10
def test_a_cut_is_the_longest_beginning_within_the_estimate(text: str, tokens: int) -> None:
    kept = cut(text, tokens)
    assert text.startswith(kept)
    assert estimate(kept) <= tokens
    assert kept == text or estimate(text[: len(kept) + 1]) > tokens


@given(TEXTS, st.integers(1, 50))
def test_a_cut_for_certain_has_no_more_bytes_than_tokens(text: str, tokens: int) -> None:
    kept = cut_for_certain(text, tokens)
    assert text.startswith(kept)
    assert len(kept.encode()) <= tokens
