"""Commands of those who operate a deployed stack."""
