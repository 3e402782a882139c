"""The published language: commands, queries, replies, events, triggers. Versioned by subject, strict, pydantic."""
