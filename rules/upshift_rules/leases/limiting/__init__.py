"""What a lease takes of the fleet's budget: whom it raises, and a transition that reserves it.

Pure, so that a controller and a trial come to the same.
"""
