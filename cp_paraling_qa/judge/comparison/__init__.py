"""Two systems on the items that both answered."""
