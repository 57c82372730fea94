"""Health counts by period, and says each problem once in it."""

import math

from realhands_ros.nodes.health import Health


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_report_covers_the_time_since_the_last_one():
    clock = Clock()
    health = Health(1.0, clock)
    for age in (10.0, 20.0, math.nan):
        health.received()
        health.published(2, 5.0, age)
    health.received()
    health.dropped()
    health.problem('dark')
    clock.now = 2.0
    report = health.report()
    assert (report.received, report.published, report.dropped) == (4, 3, 1)
    assert report.problems == {'dark': 1}
    assert report.rate_hz == 1.5
    assert (report.stage_ms.p50, report.age_ms.p50) == (5.0, 15.0)
    clock.now = 3.0
    later = health.report()
    assert (later.received, later.published, later.problems) == (0, 0, {})
    assert (later.total_published, later.total_dropped, later.hands) == (3, 1, 2)
    assert math.isnan(later.stage_ms.p95)


def test_a_problem_is_said_once_a_period_and_counted_always():
    clock = Clock()
    health = Health(1.0, clock)
    assert [health.problem('a'), health.problem('a'), health.problem('b')] == [True, False, True]
    clock.now = 1.5
    assert health.problem('a')
    assert health.report().problems == {'a': 3, 'b': 1}


def test_numbers_do_not_make_a_new_problem():
    health = Health(1.0, Clock())
    assert [health.problem(f'width {number}.5') for number in range(3)] == [True, False, False]
    assert health.report().problems == {'width 2.5': 3}


def test_reasons_without_end_are_forgotten():
    clock = Clock()
    health = Health(1.0, clock)
    for number in range(1000):
        clock.now = number * 0.1
        health.problem('x' * number)
    assert len(health._said_at) <= 11
