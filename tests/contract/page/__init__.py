"""What the contract's page says, held against what is so."""
