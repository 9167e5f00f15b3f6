"""``./dev bench``: the numbers of docs/benchmarks.md, each against the tool a user would use instead, in one run."""
