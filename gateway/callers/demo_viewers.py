"""The demo viewers with a token for each, so that the explore page can look through their eyes.

Only `explore serve --demo` switches it on, and even then nobody gets them but a page of this very gateway that was
opened on this machine: tokens are given away here, if only those of people who do not exist. Everybody else gets an
empty list, which is no error: the page asks wherever it runs.
"""

from urllib.parse import urlsplit

from sqlalchemy import bindparam, select
from starlette.requests import Request
from starlette.responses import Response

from db.columns import TextList, among
from db.demo import DEMO_VIEWERS
from db.models import User
from db.stores import Stores
from gateway.answers import JsonAnswer
from gateway.callers.auth import Authority

TOKEN_HOURS = 12.0
"""The page asks for another one when it has run out, so it need not be good for long."""

_NAMES_OF_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})

_PEOPLE = select(User.key, User.username).where(among(User.key, bindparam("keys", type_=TextList())))


class DemoViewers:
    """The address `/demo/viewers`.

    Parameters
    ----------
    authority
        Who signs the tokens.
    enabled
        Whether the gateway was started with the demo.
    """

    def __init__(self, authority: Authority, *, enabled: bool) -> None:
        self._authority = authority
        self._enabled = enabled

    async def answer(self, request: Request) -> Response:
        """Give key, name, description and token of each demo viewer who is in the truth."""
        if not self._enabled or not _is_at_home(request):
            return JsonAnswer({"viewers": []})
        stores: Stores = request.app.state.runtime.stores
        rows = await stores.database.fetch(_PEOPLE, {"keys": [viewer.key for viewer in DEMO_VIEWERS]})
        # By name as well: a platform's own user may happen to have the key of a demo viewer.
        known = {(row.key, row.username) for row in rows}
        return JsonAnswer(
            {
                "viewers": [
                    {
                        "key": viewer.key,
                        "username": viewer.username,
                        "what": viewer.what,
                        "token": self._authority.issue(viewer.key, hours=TOKEN_HOURS),
                    }
                    for viewer in DEMO_VIEWERS
                    if (viewer.key, viewer.username) in known
                ]
            }
        )


def _is_at_home(request: Request) -> bool:
    """Say whether the request can only come from a page of this gateway on this machine.

    The host's name keeps out whoever points a name of their own at 127.0.0.1 (DNS rebinding), the other two headers
    every page of another origin, whatever ALLOW_ORIGINS says.
    """
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    return (
        urlsplit(f"//{host}").hostname in _NAMES_OF_THIS_MACHINE
        and (origin is None or urlsplit(origin).netloc == host)
        and request.headers.get("sec-fetch-site", "none") in ("same-origin", "none")
    )
