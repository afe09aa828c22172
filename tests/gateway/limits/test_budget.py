import asyncio
from ipaddress import ip_address

import pytest

from db.errors import Store, StoreUnavailable
from db.models import Role
from gateway.callers.authentication import Authentication
from gateway.limit_settings import LimitSettings
from gateway.limits.budget import Budgets, OverBudget, refused_points
from gateway.limits.rate_limits import MemoryRateLimitStore
from scoring.use_cases.unit_of_work import Caller

HOME, OFFICE = ip_address("203.0.113.9"), ip_address("198.51.100.1")


class Clock:
    now = 6_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def windows(clock):
    return MemoryRateLimitStore(clock=clock)


def budgets(**settings):
    given = {"rate_limit": 1_000, "rate_limit_address": 3_000, "rate_limit_service": 5_000, **settings}
    return Budgets(LimitSettings(**given), b"secret")


def user(key="ada", address=HOME, role=None):
    return Authentication(Caller(key, None, role), address=address)


def session(key="s", address=HOME):
    return Authentication(Caller(session_key=key), address=address)


def stranger(key="new", address=HOME):
    return Authentication(Caller(session_key=key), is_anonymous=True, session_id_to_send="signed", address=address)


async def spend_all(limits, authentication, windows, points=100):
    charged = 0
    while True:
        try:
            await limits.charge(authentication, points, windows)
        except OverBudget as refused:
            return charged, refused
        charged += points


async def test_a_user_has_so_many_points_a_minute_from_wherever(windows):
    limits = budgets()
    charged, refused = await spend_all(limits, user(), windows)
    assert charged == 1_000
    assert (refused.status, refused.code) == (429, "RATE_LIMITED")
    assert refused.extensions["cost"] == {"asked": 100, "limit": 1_000, "remaining": 0, "resetsInSeconds": 120}
    with pytest.raises(OverBudget):
        await limits.charge(user(address=OFFICE), 100, windows)
    assert (await limits.charge(user("bob"), 100, windows)).remaining == 900


async def test_what_is_left_stands_in_the_answer(windows):
    budget = await budgets().charge(user(), 300, windows)
    assert budget.extension == {"asked": 300, "limit": 1_000, "remaining": 700, "resetsInSeconds": 120}


async def test_retry_after_is_when_it_fits_and_not_a_second_before(windows, clock):
    limits = budgets()
    clock.now += 10
    await limits.charge(user(), 700, windows)
    clock.now += 15
    await limits.charge(user(), 300, windows)
    with pytest.raises(OverBudget) as refused:
        await limits.charge(user(), 250, windows)
    wait_s = int(refused.value.headers["Retry-After"])
    assert wait_s == 35 + 15  # the window ends in 35 s; a quarter of what was spent in it has gone 15 s later
    clock.now += wait_s - 1
    with pytest.raises(OverBudget):
        await limits.charge(user(), 250, windows)
    clock.now += 1
    assert await limits.charge(user(), 250, windows)


async def test_after_two_minutes_everything_is_back(windows, clock):
    limits = budgets()
    await limits.charge(user(), 1_000, windows)
    clock.now += 120
    assert (await limits.charge(user(), 1_000, windows)).remaining == 0


async def test_a_session_spends_its_own_budget_and_the_addresses(windows):
    limits = budgets()
    assert (await spend_all(limits, session("a"), windows))[0] == 1_000
    assert (await spend_all(limits, session("b"), windows))[0] == 1_000
    assert (await spend_all(limits, session("c"), windows))[0] == 1_000
    assert (await spend_all(limits, session("d"), windows))[0] == 0
    assert (await spend_all(limits, session("d", OFFICE), windows))[0] == 900  # 100 were lost in the try at home


async def test_making_sessions_is_no_way_round(windows):
    limits = budgets()
    for number in range(30):
        await limits.charge(stranger(f"s{number}"), 100, windows)
    with pytest.raises(OverBudget):
        await limits.charge(stranger("another"), 100, windows)
    assert await limits.charge(user(), 100, windows), "whoever is signed in does not spend the address's"


async def test_an_address_of_the_sixth_version_counts_with_its_64_bits(windows):
    limits = budgets(rate_limit_address=1_000)
    await limits.charge(stranger(address=ip_address("2001:db8:1:2::1")), 1_000, windows)
    with pytest.raises(OverBudget):
        await limits.charge(stranger(address=ip_address("2001:db8:1:2:ffff::9")), 1, windows)
    assert await limits.charge(stranger(address=ip_address("2001:db8:1:3::1")), 1, windows)


async def test_whose_token_is_no_good_spends_the_addresses(windows):
    limits = budgets(rate_limit_address=1_000)
    for _ in range(10):
        await limits.charge_address(HOME, 100, windows)
    with pytest.raises(OverBudget):
        await limits.charge_address(HOME, 100, windows)
    await limits.charge_address(None, 100, windows)


async def test_the_platform_has_a_budget_of_its_own_or_none(windows):
    assert (await spend_all(budgets(), user(role=Role.SERVICE), windows))[0] == 5_000
    assert await budgets(rate_limit_service=0).charge(user(role=Role.SERVICE), 10**9, windows) is None


async def test_what_costs_more_than_a_minute_has_costs_all_of_it(windows):
    limits = budgets()
    assert (await limits.charge(user(), 20_000, windows)).remaining == 0
    with pytest.raises(OverBudget):
        await limits.charge(user(), 1, windows)


@pytest.mark.parametrize(
    ("length", "points"), [(0, 500), (3, 500), (4, 501), (1_000, 750), (8_000, 2_500), (64_000, 2_500)]
)
def test_a_refused_document_costs_its_length_within_bounds(length, points):
    assert refused_points("a" * length) == points
    assert refused_points(None) == 500


async def test_neither_keys_nor_addresses_are_kept(windows):
    await budgets().charge(user("ada"), 1, windows)
    await budgets().charge(session("somebody"), 1, windows)
    kept = repr(list(windows._counters))
    assert not any(word in kept for word in ("ada", "somebody", str(HOME), "user", "address"))


class Away:
    async def spend(self, caller, points, limit):
        raise StoreUnavailable(Store.CACHE, "Redis is away")

    spent = spend


async def test_while_redis_is_away_each_process_counts_by_itself():
    limits = budgets()
    assert (await spend_all(limits, user(), Away()))[0] == 1_000


async def test_no_more_callers_are_remembered_than_fit(clock):
    windows = MemoryRateLimitStore(callers=100, clock=clock)
    for number in range(1_000):
        await windows.spend(f"caller {number}", 1, 10)
    assert len(windows._counters) == 100
    assert (await windows.spent("caller 999")).points == 1


async def test_charges_at_the_same_time_do_not_overdraw(windows):
    limits = budgets()
    results = await asyncio.gather(*(limits.charge(user(), 100, windows) for _ in range(50)), return_exceptions=True)
    assert sum(not isinstance(result, OverBudget) for result in results) == 10
