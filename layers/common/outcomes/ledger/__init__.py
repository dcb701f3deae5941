"""The append-only ledger: outcomes and their corrections in DynamoDB. Entries are written once and read in pages."""
