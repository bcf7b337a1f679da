"""What a free-text answer claims: words, grammar, languages, and what is asked where these say nothing. `judge.label_map` puts them together."""
