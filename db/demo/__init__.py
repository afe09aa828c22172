"""The demo data: a deterministic generator of records, and loading the records into an empty database.

Code and content (`material/`) that only the demo needs belong here. Rules for the data of a platform do not.
"""

from db.demo.content import DEMO_VIEWERS, DemoViewer
from db.demo.data import DemoData, generate
from db.demo.load import holds_demo, is_empty, load

__all__ = ["DEMO_VIEWERS", "DemoData", "DemoViewer", "generate", "holds_demo", "is_empty", "load"]
