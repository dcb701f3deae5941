"""Store outcomes and their corrections in DynamoDB, as an append-only ledger. Entries never change."""
