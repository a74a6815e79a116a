"""The OpAMP bridge: supervisors connect, and their collectors get a frequency as remote
configuration. `messages`, `contents` and `standing` are pure."""
