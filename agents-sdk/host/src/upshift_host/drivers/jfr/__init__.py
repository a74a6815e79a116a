"""Java Flight Recorder (JDK 17 to 25), told what to record over the JVM's attach protocol.

So it needs no `jcmd`, no Java of its own and no agent in the application, and works where only a
JRE is, in a container too. `attach` speaks the protocol, `commands` writes and reads what is said
in it (pure), `chunks` and `values` read a recording's format and `samples` makes stacks of it
(pure), `place` is the JVM's own /tmp, and `recording` is one recording of one JVM.
"""
