"""Models of the ledger's protocols, explored in every order of their steps.

A step is one call to DynamoDB, which is atomic, or the passing of time. Times are in ticks of DynamoDB's clock. Bounds
have the names of the code's constants, with a tick for some minutes: what counts is their order, not their size.
"""
