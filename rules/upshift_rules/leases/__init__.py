"""What a target holds, and how it changes.

Pure: states and moments come in, states and reasons go out; no text of a document, no matching of
labels.
"""
