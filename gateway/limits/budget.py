"""Points that a caller may spend within a minute: each user, each session, and all anonymous callers of one address.

An anonymous caller spends from the budgets of the session and of the address, so new sessions do not evade the limit. A
user spends from one budget, whatever the address: a server of the platform may send requests of many users.
"""

from dataclasses import dataclass
from hashlib import blake2b
from math import ceil

from db.errors import StoreUnavailable
from gateway.callers.authentication import Authentication
from gateway.client_addresses import Address, client_network
from gateway.errors import RequestRefused
from gateway.limit_settings import LimitSettings
from gateway.limits.rate_limits import RateLimitStore
from gateway.limits.shared_rate_limits import local_rate_limits
from gateway.telemetry import local_charges

REQUEST_POINTS = 100
"""Points of any request: a request for `{ __typename }` takes 1 ms in the server process, HTTP included."""

UNAUTHENTICATED_POINTS = 100
"""Points of a request with an invalid token, charged to its address."""

REFUSED_POINTS, MAX_REFUSED_POINTS, REFUSED_CHARACTERS_PER_POINT = 500, 2_500, 4
"""Points of a refused document: at least and at most, and its characters per point in between. Parsing and measuring a
document takes about 5 ms per 1,000 characters until a limit stops it."""

INVALID_VARIABLES_POINTS = 1_000
"""Points of an operation whose variables do not fit: an error quotes its value, and up to 50 errors take 10 ms."""


def refused_points(text: str | None) -> int:
    """Return the points of a refused document, or of one without a text."""
    return min(REFUSED_POINTS + len(text or "") // REFUSED_CHARACTERS_PER_POINT, MAX_REFUSED_POINTS)


@dataclass(frozen=True, slots=True)
class BudgetAccount:
    """Holder of a budget of `limit` points a minute, named by a hash of a user's key or an address."""

    name: str
    limit: int


@dataclass(frozen=True, slots=True)
class Budget:
    """Cost of a request, and of the charged budgets the one with the fewest points left.

    That budget is full again after `resets_in_s` seconds.
    """

    asked: int
    limit: int
    remaining: int
    resets_in_s: int

    @property
    def extension(self) -> dict[str, int]:
        """The value of `cost` in an answer's `extensions`."""
        return {
            "asked": self.asked,
            "limit": self.limit,
            "remaining": self.remaining,
            "resetsInSeconds": self.resets_in_s,
        }


class OverBudget(RequestRefused):
    """A caller has spent the budget of the minute."""

    def __init__(self, budget: Budget, wait_s: int) -> None:
        message = (
            f"The request costs {budget.asked:,} points; {budget.remaining:,} of {budget.limit:,} a minute are left. "
            f"Try again in {wait_s} s."
        )
        super().__init__(429, "RATE_LIMITED", message, {"Retry-After": str(wait_s)}, {"cost": budget.extension})


class Budgets:
    """Charges callers. The secret is the key of the hashes that name callers in the store."""

    def __init__(self, settings: LimitSettings, secret: bytes) -> None:
        self._settings = settings
        self._key = blake2b(secret, person=b"explore budgets").digest()
        self._local_store = local_rate_limits()

    async def charge(self, authentication: Authentication, points: int, store: RateLimitStore) -> Budget | None:
        """Charge a request to its caller, and return the budget, or None if this caller has no limit.

        While Redis is unavailable, this server counts on its own.

        Raises `OverBudget` if too few points are left. Then nothing is charged, except that the session is charged if
        only the address lacks points.
        """
        return await self._charge(self._accounts(authentication), points, store)

    async def charge_address(self, address: Address | None, points: int, store: RateLimitStore) -> None:
        """Charge a request whose token is invalid to its address. Raises `OverBudget`."""
        await self._charge([self._address_account(address)], points, store)

    async def _charge(self, accounts: list[BudgetAccount], points: int, store: RateLimitStore) -> Budget | None:
        tightest = None
        for account in accounts:
            if account.limit:
                budget = await self._spend(account, points, store)
                tightest = budget if tightest is None or budget.remaining < tightest.remaining else tightest
        return tightest

    async def _spend(self, account: BudgetAccount, points: int, store: RateLimitStore) -> Budget:
        try:
            return await _spend(account, points, store)
        except StoreUnavailable:
            local_charges.inc()
            return await _spend(account, points, self._local_store)

    def _accounts(self, authentication: Authentication) -> list[BudgetAccount]:
        caller, rates = authentication.caller, self._settings
        if caller.user_key is not None:
            rate = rates.rate_limit_service if authentication.is_privileged else rates.rate_limit
            return [self._account("user", caller.user_key, rate)]
        address = self._address_account(authentication.address)
        if caller.session_key is None or authentication.is_anonymous:
            return [address]
        return [self._account("session", caller.session_key, rates.rate_limit), address]

    def _address_account(self, address: Address | None) -> BudgetAccount:
        return self._account("address", client_network(address), self._settings.rate_limit_address)

    def _account(self, kind: str, name: str, limit: int) -> BudgetAccount:
        return BudgetAccount(blake2b(f"{kind}:{name}".encode(), key=self._key, digest_size=16).hexdigest(), limit)


async def _spend(account: BudgetAccount, points: int, store: RateLimitStore) -> Budget:
    """Spend points. A request that costs more than a minute's budget spends the whole budget."""
    points = min(points, account.limit)
    has_spent = await store.spend(account.name, points, account.limit)
    spent = await store.spent(account.name)
    budget = Budget(points, account.limit, max(0, account.limit - ceil(spent.points)), ceil(spent.seconds_until_full()))
    if not has_spent:
        raise OverBudget(budget, max(1, ceil(spent.seconds_until_affordable(points, account.limit))))
    return budget
