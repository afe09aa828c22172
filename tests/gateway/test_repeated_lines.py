from gateway.repeated_lines import LINE_EVERY_S, RepeatedLines


def test_the_first_line_is_written_and_then_one_an_interval_that_counts_the_others() -> None:
    now = 100.0
    lines = RepeatedLines(lambda: now)
    written = []
    for _ in range(25):  # one a second
        written.append(lines.left_out("database"))
        now += 1
    assert LINE_EVERY_S == 10
    assert [count for count in written if count is not None] == [0, 9, 9]
    assert lines.left_out("cache") == 0
