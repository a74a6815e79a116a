"""async-profiler (4.5) in JVMs, loaded and told over their attach protocol: no Java of its own.

`library` finds its natives, `placing` puts them where a JVM sees them, `commands` writes what it is
told (pure), `samples` reads what it brings (pure), `session` is one session of one JVM, and
`profiling` makes windows of them.
"""
