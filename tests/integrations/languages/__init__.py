"""SDKs of other languages in busy applications, under a real controller and a real alert."""
