"""
Say what this node can and can't do: every precondition of the agent as a named check, each with its remedy.

Flow: settings -> **doctor** -> main. Each family of checks reads its facts at the edge, and judges them in pure
functions.
"""
