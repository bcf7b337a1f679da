"""Held-out rows while training: answers, scores with the shuffled-audio control, tables with playable audio."""
