"""The page: what the controller shows in a browser, made on the server, of nothing from elsewhere.

A view is a pure model (`now`, `target`, …), a template, and a line in `views`; `shell` serves them.
"""
