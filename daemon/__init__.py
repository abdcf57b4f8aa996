"""The part that runs on a live host: light, and gone without a trace."""
