"""The viewer, the interests, mutes and settings that the viewer decides on, and the personalization status.

Export, deletion and sessions are in `accounts`.
"""
