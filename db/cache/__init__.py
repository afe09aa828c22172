"""What may be lost: snapshots and shared values with a time to live."""
