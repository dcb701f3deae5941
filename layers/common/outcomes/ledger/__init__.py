"""The append-only ledger: outcomes and their corrections in DynamoDB, written once, read in pages."""
