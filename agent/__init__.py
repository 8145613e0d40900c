"""The agent: on every node, what each replica did in each window, as sets, handed to the aggregator."""
