"""The contract: fields and rules of requests, and the text of answers. Knows no AWS and no HTTP."""
