"""From samples to what the language model hears: exact fast mel, towers that compute no silence, the cache of a frozen tower's outputs."""
