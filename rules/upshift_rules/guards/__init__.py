"""What a rule asks Prometheus before and while it boosts: queries with placeholders, and answers.

No I/O here: who asks, and how an answer is read, is the controller's (`sources.prometheus`).
"""
