"""axe-core on a page: what a program can find of the Web Content Accessibility Guidelines."""

from pathlib import Path
from typing import Any

from playwright.async_api import Page

from tests.browser.layout import still

AXE = Path(__file__).parents[2] / "frontend" / "graphiql" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")

_RUN = """async ([tags, exclude]) => (await axe.run({ include: [['html']], exclude }, {
    runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] })).violations"""


async def violations(page: Page, *, except_in: tuple[str, ...] = (), except_rules: tuple[str, ...] = ()) -> list[str]:
    """Give what axe-core finds on the page once its layout has settled: the rule, what it asks, and the first places.

    Parameters
    ----------
    page
        The page, whatever state it is in.
    except_in
        Selectors of parts that are not ours to mend.
    except_rules
        Rules that such parts break wherever they stand.
    """
    await still(page)
    if not await page.evaluate("() => 'axe' in window"):
        # By the debugger's protocol, so that the page's own content policy stays as strict as it is.
        await page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = await page.evaluate(_RUN, [RULES, [[selector] for selector in except_in]])
    return [_sentence(rule) for rule in found if rule["id"] not in except_rules]


def _sentence(rule: dict[str, Any]) -> str:
    places = "; ".join(f"{node['target']} {node['html'][:160]}" for node in rule["nodes"][:3])
    return f"{rule['id']}: {rule['help']} ({len(rule['nodes'])} times): {places}"
