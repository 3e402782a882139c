"""The web service: health, metrics, and the documentation of everything that other programs may call."""
