"""Agreement, validity, intervals and corrections: the statistics behind a score. Each is checked against a second implementation."""
