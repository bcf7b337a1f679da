"""The card of a run, and its way to the Hub."""
