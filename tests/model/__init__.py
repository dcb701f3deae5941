"""Models of the ledger's protocols, explored in every order of their steps.

A step is one call to DynamoDB, which is atomic, or a tick of DynamoDB's clock. Bounds have the names of the code's
constants, with a tick for some minutes: their order counts, not their size. Each `law` says how it would be broken.
"""
