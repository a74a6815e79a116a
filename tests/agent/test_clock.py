from hypothesis import given
from hypothesis import strategies as st

from upshift_agent.following.clock import RedisClock

times = st.integers(0, 2**41)
delays = st.integers(0, 10_000)


def test_until_redis_is_heard_of_the_wall_clock_will_do() -> None:
    assert RedisClock(wall_ms=5000, monotonic_ms=100).now_ms(150) == 5050


def test_a_pushed_plan_sets_the_clock_until_there_is_something_better() -> None:
    clock = RedisClock(wall_ms=0, monotonic_ms=0)
    clock.hear(1_000_000, monotonic_ms=10)
    assert clock.now_ms(11) == 1_000_001
    clock.observe(2_000_000, sent_ms=20, received_ms=22)
    clock.hear(3_000_000, monotonic_ms=30)
    assert clock.now_ms(31) == 2_000_010


@given(wall=times, redis=times, uptime=times, there=delays, back=delays)
def test_the_wall_clock_does_no_harm_once_redis_has_answered(
    wall: int, redis: int, uptime: int, there: int, back: int
) -> None:
    clock = RedisClock(wall, uptime)
    clock.observe(redis, sent_ms=uptime, received_ms=uptime + there + back)
    truth = redis + back
    assert abs(clock.now_ms(uptime + there + back) - truth) <= (there + back) / 2 + 1


def test_a_slow_answer_does_not_spoil_what_a_quick_one_gave() -> None:
    clock = RedisClock(0, 0)
    clock.observe(1_000_000, sent_ms=0, received_ms=2)
    clock.observe(1_000_100, sent_ms=100, received_ms=4100)
    assert clock.now_ms(4100) == 1_004_099


def test_a_server_whose_clock_was_moved_is_believed_at_once() -> None:
    clock = RedisClock(0, 0)
    clock.observe(1_000_000, sent_ms=0, received_ms=2)
    clock.observe(500_000, sent_ms=1000, received_ms=1010)
    assert clock.now_ms(1010) == 500_005
