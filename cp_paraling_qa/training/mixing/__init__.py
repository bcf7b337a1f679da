"""What a run is trained on: components, shares, arms, streams."""
