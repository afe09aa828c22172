"""The demo: a small community that publishes AI projects, all of it written and made up by us."""

from db.demo.data import DemoData, generate
from db.demo.load import holds_demo, is_empty, load
from db.demo.people import DEMO_VIEWERS, DemoViewer

__all__ = ["DEMO_VIEWERS", "DemoData", "DemoViewer", "generate", "holds_demo", "is_empty", "load"]
