"""The demo community: a deterministic generator of its records, and loading them into an empty database.

Everything that only the demo needs belongs here, the written content in `material/` included; rules that apply to a
platform's own data do not.
"""

from db.demo.content import DEMO_VIEWERS, DemoViewer
from db.demo.data import DemoData, generate
from db.demo.load import holds_demo, is_empty, load

__all__ = ["DEMO_VIEWERS", "DemoData", "DemoViewer", "generate", "holds_demo", "is_empty", "load"]
