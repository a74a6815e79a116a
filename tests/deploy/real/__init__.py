"""Tests that take long, or programs that no CI machine has: `make deploy-test` alone runs them."""
