"""What people do with projects: events, engagement, and the counters that live from them."""
