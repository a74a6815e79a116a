"""More comes in than can be done, by mistake or on purpose."""
