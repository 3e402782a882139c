"""Mails that come back: where they come back to, what they say, and who is told."""
