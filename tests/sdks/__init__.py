"""The SDKs of other languages: their own tests, and one boost of each under a real controller."""
