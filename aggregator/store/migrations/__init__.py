"""
How the tables came to be, step by step: one file of `versions/` for each change.

Flow: migrate -> **migrations**. A new step is a file by hand after the pattern of the last, and a sample of what
its tables may hold goes to `tests/aggregator/store/samples.py`. Tests hold that all steps together come to exactly
`tables`, and that each sample outlives the steps after it.
"""
