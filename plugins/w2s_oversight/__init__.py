"""Scalable oversight: protocols that help a weak judge, the judge itself, transcripts and their measures."""
