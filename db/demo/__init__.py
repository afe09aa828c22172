"""The demo data: a deterministic generator of records, and loading the records into an empty database.

Code and content (`material/`) that only the demo needs belong here. Rules for the data of a platform do not.
"""

from db.demo.content import DEMO_VIEWERS
from db.demo.data import DemoData, answer_onboarding, generate, holds_demo, is_empty, load

__all__ = ["DEMO_VIEWERS", "DemoData", "answer_onboarding", "generate", "holds_demo", "is_empty", "load"]
