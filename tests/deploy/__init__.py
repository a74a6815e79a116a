"""What is in deploy/, tried as really as a machine allows: `make deploy-test` and its table."""
