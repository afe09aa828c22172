"""Demo viewers with a token for each, for the menu "Viewing as" of the explore page.

The list is empty unless the gateway was started with the demo, the store holds the demo data, and the request can only
come from a page of this gateway that was opened on this machine. The page always requests the list, so an empty list is
no error. The demo's administrator is never on the list; `explore token administrator` prints a token for it.
"""

from sqlalchemy import bindparam, select
from starlette.requests import Request
from starlette.responses import Response

from db.database.column_types import TextList, in_list
from db.demo import DEMO_VIEWERS, holds_demo
from db.models import Role, User
from db.stores import Stores
from gateway.callers.token_authority import TokenAuthority
from gateway.client_addresses import is_local
from gateway.json_responses import JsonResponse

TOKEN_HOURS = 24.0
"""Hours for which a token of a demo viewer is valid. Then the page fetches a new one."""

_STORED_VIEWERS = select(User.key, User.username).where(
    in_list(User.key, bindparam("keys", type_=TextList())), User.role == Role.VIEWER.value
)


class DemoViewers:
    """The endpoint `/demo/viewers`, disabled unless the gateway was started with the demo."""

    def __init__(self, authority: TokenAuthority, *, enabled: bool) -> None:
        self._authority = authority
        self._enabled = enabled and authority.can_issue

    async def answer(self, request: Request) -> Response:
        """Answer with key, name, description and token of each demo viewer in the store."""
        stores: Stores = request.app.state.runtime.stores
        if not self._enabled or not _is_own_page(request) or not await holds_demo(stores.database):
            return JsonResponse({"viewers": []})
        rows = await stores.database.fetch(_STORED_VIEWERS, {"keys": [viewer.key for viewer in DEMO_VIEWERS]})
        # The username is compared too: a later import may have given the key of a demo viewer to another user.
        stored = {(row.key, row.username) for row in rows}
        return JsonResponse(
            {
                "viewers": [
                    {
                        "key": viewer.key,
                        "username": viewer.username,
                        "what": viewer.description,
                        "token": self._authority.issue(viewer.key, Role.VIEWER, TOKEN_HOURS),
                    }
                    for viewer in DEMO_VIEWERS
                    if (viewer.key, viewer.username) in stored
                ]
            }
        )


def _is_own_page(request: Request) -> bool:
    """Return whether the request can only come from a page of this gateway on this machine.

    `Origin` and `Sec-Fetch-Site` exclude pages of other origins, whatever ALLOW_ORIGINS says.
    """
    host = request.headers.get("host", "")
    return (
        is_local(request)
        and request.headers.get("origin") in (None, f"http://{host}", f"https://{host}")
        and request.headers.get("sec-fetch-site", "none") in ("same-origin", "none")
    )
