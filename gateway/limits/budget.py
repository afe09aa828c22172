"""How many points a caller has left within a minute: each user, each session, and all of one address together.

Whoever is not signed in spends from the session's budget and from the address's. A new session begins with a full
budget of its own, the address does not: making sessions is no way round. Whoever is signed in spends as the user, from
whichever address: a platform's server asks for many of them.
"""

from dataclasses import dataclass
from hashlib import blake2b
from math import ceil

from db.errors import StoreUnavailable
from gateway.callers.authentication import Authentication
from gateway.client_addresses import Address, client_network
from gateway.errors import RequestRefused
from gateway.limit_settings import LimitSettings
from gateway.limits.rate_limits import MemoryRateLimitStore, RateLimitStore
from gateway.telemetry import count_local_charge

REQUEST_POINTS = 10
"""Points of any request, whatever it asks for: who it is, HTTP and JSON take some 0.1 ms."""

UNAUTHENTICATED_POINTS = 100
"""Points of a request whose token is no good, charged to its address."""

REFUSED_POINTS = 1_000
"""Points of a request that is refused for what it asks: reading a document made up to be slow takes some 10 ms."""


@dataclass(frozen=True, slots=True)
class BudgetAccount:
    """Somebody with a budget.

    Attributes
    ----------
    name
        A hash: neither a user's key nor an address is written into a store because of its budget.
    limit
        Points a minute.
    """

    name: str
    limit: int


@dataclass(frozen=True, slots=True)
class Budget:
    """What a request cost, and what is left of the tightest budget that it was charged to.

    Attributes
    ----------
    resets_in_s
        After how many seconds without a request the budget is full again.
    """

    asked: int
    limit: int
    remaining: int
    resets_in_s: int

    @property
    def extension(self) -> dict[str, int]:
        """As it stands under `cost` in an answer's `extensions`."""
        return {
            "asked": self.asked,
            "limit": self.limit,
            "remaining": self.remaining,
            "resetsInSeconds": self.resets_in_s,
        }


class OverBudget(RequestRefused):
    """A caller who has spent the budget of the minute."""

    def __init__(self, budget: Budget, wait_s: int) -> None:
        message = (
            f"The request costs {budget.asked:,} points; {budget.remaining:,} of {budget.limit:,} a minute are left. "
            f"Try again in {wait_s} s."
        )
        super().__init__(429, "RATE_LIMITED", message, {"Retry-After": str(wait_s)}, {"cost": budget.extension})


class Budgets:
    """Charges callers.

    Parameters
    ----------
    settings
        How much each kind of caller has.
    secret
        Keys the hashes of callers.
    """

    def __init__(self, settings: LimitSettings, secret: bytes) -> None:
        self._settings = settings
        self._key = blake2b(secret, person=b"explore budgets").digest()
        self._own = MemoryRateLimitStore()

    async def charge(self, authentication: Authentication, points: int, windows: RateLimitStore) -> Budget | None:
        """Charge a request to whoever sent it.

        Parameters
        ----------
        windows
            Where it is counted for all processes; while that is away this process counts by itself.

        Returns
        -------
        What is left; None if no limit is set for this caller.

        Raises
        ------
        OverBudget
            If there is not enough left. Nothing was charged then, except to a session whose address has spent too much.
        """
        return await self._charge(self._accounts(authentication), points, windows)

    async def charge_address(self, address: Address | None, points: int, windows: RateLimitStore) -> None:
        """Charge a request that came from somebody who could not be told. Raises as `charge` does."""
        await self._charge([self._address(address)], points, windows)

    async def _charge(self, callers: list[BudgetAccount], points: int, windows: RateLimitStore) -> Budget | None:
        tightest = None
        for account in callers:
            if account.limit:
                budget = await self._spend(account, points, windows)
                tightest = budget if tightest is None or budget.remaining < tightest.remaining else tightest
        return tightest

    async def _spend(self, account: BudgetAccount, points: int, windows: RateLimitStore) -> Budget:
        """Spend points; what costs more than a minute's budget costs all of it."""
        try:
            return await _spend(account, points, windows)
        except StoreUnavailable:
            count_local_charge()
            return await _spend(account, points, self._own)

    def _accounts(self, authentication: Authentication) -> list[BudgetAccount]:
        caller, rates = authentication.caller, self._settings
        if caller.user_key is not None:
            rate = rates.rate_limit_service if authentication.is_privileged else rates.rate_limit
            return [self._account("user", caller.user_key, rate)]
        address = self._address(authentication.address)
        if caller.session_key is None or authentication.is_anonymous:
            return [address]
        return [self._account("session", caller.session_key, rates.rate_limit), address]

    def _address(self, address: Address | None) -> BudgetAccount:
        return self._account("address", client_network(address), self._settings.rate_limit_address)

    def _account(self, kind: str, name: str, limit: int) -> BudgetAccount:
        return BudgetAccount(blake2b(f"{kind}:{name}".encode(), key=self._key, digest_size=16).hexdigest(), limit)


async def _spend(account: BudgetAccount, points: int, windows: RateLimitStore) -> Budget:
    points = min(points, account.limit)
    has_spent = await windows.spend(account.name, points, account.limit)
    spent = await windows.spent(account.name)
    budget = Budget(points, account.limit, max(0, account.limit - ceil(spent.points)), ceil(spent.seconds_until_full()))
    if not has_spent:
        raise OverBudget(budget, max(1, ceil(spent.seconds_until_affordable(points, account.limit))))
    return budget
