"""The life of a job as data."""

import pytest

from mock_server.base.plan import Plan, parse

FINE_TUNING = "queued@0, running@2, succeeded@10"


@pytest.mark.parametrize(
    ("age", "status"),
    [(0, "queued"), (1.99, "queued"), (2, "running"), (9, "running"), (10, "succeeded"), (1e9, "succeeded")],
)
def test_status_is_a_function_of_age(age, status):
    assert parse(FINE_TUNING).status(age, polls=99) == status


def test_by_poll_age_plays_no_part():
    plan = parse("poll: queued@0, running@1, failed@3")
    assert [plan.status(1e9, polls) for polls in range(5)] == ["queued", "running", "running", "failed", "failed"]
    assert plan.ends_at() == 0


def test_immediate_is_the_end_at_once():
    assert Plan((("queued", 0.0), ("succeeded", 0.0))).status(0, 0) == "succeeded"


@pytest.mark.parametrize("text", [FINE_TUNING, "poll: queued@0, done@2", "done@0"])
def test_a_plan_is_written_as_it_is_read(text):
    assert parse(text).dump() == text


@pytest.mark.parametrize("text", ["", "queued", "queued@", "queued@1", "a@0, b@5, c@4", "@0", "a@zero"])
def test_what_is_no_plan_is_refused(text):
    with pytest.raises(ValueError):
        parse(text)
