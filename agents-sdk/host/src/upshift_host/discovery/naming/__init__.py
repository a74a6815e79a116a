"""What a container's manager knows of it that its processes do not: its service's name.

One module for each manager, with a pure function from its answer to attributes by container.
`asking` asks them, on a thread of its own and only when there is a container that nobody has named.
"""
