"""
Three real containers doing the same work, one of them attacked: the whole of Kinwatch seen at once.

Flow: around it. containers -> shop -> traffic -> agent -> aggregator -> stage; not part of what is installed.
"""
