"""Every error of the SDK. One base; a subclass only where somebody catches it."""


class UpshiftError(Exception):
    """Base of everything that Upshift raises on purpose."""


class ConfigurationError(UpshiftError):
    """The application handed us something unusable. Raised at construction only, never later."""


class WireError(UpshiftError):
    """A message that cannot be used. Log it once and skip it; it is never fatal."""


class SignatureRefused(WireError):
    """A message that is unsigned, wrongly signed or stale, where a secret is set."""
