"""The pace follows the responses of the server."""

from db.embeddings.pace import FIRST_TEXTS, TARGET_S, Pace


def test_requests_start_small_and_alone_and_grow_with_a_fast_server() -> None:
    pace, sent = Pace(256, 4), []
    for _ in range(8):
        sent.append((pace.texts, pace.requests))
        pace.speed_up(pace.texts, 0.1, is_last=False)
    assert sent == [(4, 1), (16, 1), (64, 1), (256, 1), (256, 2), (256, 3), (256, 4), (256, 4)]


def test_requests_to_a_slow_server_grow_to_what_it_answers_in_five_seconds() -> None:
    pace, texts_per_s = Pace(256, 4), 10.0
    for _ in range(6):
        pace.speed_up(pace.texts, pace.texts / texts_per_s, is_last=False)
    assert (pace.texts, pace.requests) == (TARGET_S * texts_per_s, 1)
    pace.speed_up(50, 20.0, is_last=False)
    assert pace.texts == 12  # it embeds 2.5 a second now


def test_a_failure_leaves_a_quarter_and_ends_at_one_text() -> None:
    pace = Pace(256, 4, texts=256, requests=4)
    left = []
    for _ in range(6):
        pace.slow_down()
        left.append((pace.texts, pace.requests))
    assert left == [(64, 1), (16, 1), (4, 1), (1, 1), (1, 1), (1, 1)]


def test_a_call_with_few_texts_tells_nothing_of_more() -> None:
    pace = Pace(256, 4)
    pace.speed_up(1, 0.3, is_last=True)
    assert (pace.texts, pace.requests) == (FIRST_TEXTS, 1)


def test_a_request_that_ends_at_its_tokens_counts_as_full() -> None:
    pace = Pace(256, 4, texts=256)
    pace.speed_up(20, 1.0, is_last=False)
    assert (pace.texts, pace.requests) == (256, 2)


def test_a_server_that_rejects_more_texts_is_not_sent_more() -> None:
    pace = Pace(256, 4, texts=64)
    pace.limit(32)
    pace.speed_up(32, 0.1, is_last=False)
    assert (pace.texts, pace.requests) == (32, 2)
